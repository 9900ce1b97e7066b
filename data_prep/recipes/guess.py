"""Guess what columns mean by their names and contents: roles, words of verdicts, scales, forms of times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from data_prep.read.cells import timestamp
from data_prep.read.labels import BOTH_BAD, SIDES, THUMBS
from data_prep.recipes.column_facts import LONG, ColumnFacts
from gmt.errors import DataError

NAMES = {
    "user": "user_id user user_email email user_name username worker_id worker judge_id judge judge_hash annotator_id "
    "annotator rater_id rater evaluator_id evaluator person_id person participant_id participant visitor_id "
    "customer_id client_id member_id reviewer uid account_id",
    "query": "query prompt user_prompt question_text question instruction user_input user_message request "
    "src src_text input opening_msg message text",
    "winner": "winner vote verdict preference preferred choice chosen chosen_model chosen_model_name overall_pref "
    "result outcome judgment judgement better selected label",
    "model": "model model_name model_id llm system engine bot assistant deployment candidate provider",
    "rating": "rating score stars star thumbs thumb grade reaction satisfaction helpfulness quality liked like rank "
    "ranking place feedback value vote",
    "response": "response answer completion output reply model_response model_answer model_completion generation tgt",
    "timestamp": "timestamp created_at created when time datetime date tstamp ts submitted_at updated_at",
    "conversation": "conversation_id conversation session_id session thread_id thread chat_id chat dialogue_id "
    "dialogue dialog_id dialog",
    "turn": "turn turn_id turn_number round step message_index",
    "task": "task category topic domain task_type category_tag",
    "feedback": "comment comments feedback feedback_text reason explanation rationale remarks note",
    "question": "question_id prompt_id query_id item_id",
    "cost": "cost price usd total_cost",
    "comparison": "comparison_id comparison battle_id ranking_id trial_id trial group_id",
}
"""Role -> what columns of it are called, the likeliest first."""
A_WORDS = ("a", "left", "1", "first", "model a", "model 1", "response a", "answer a", "option a", "x", "chosen a")
B_WORDS = ("b", "right", "2", "second", "model b", "model 2", "response b", "answer b", "option b", "y", "chosen b")
TIE_WORDS = ("tie", "both", "equal", "same", "draw", "neutral", "none", "n", "0", "t", "both good", "no preference")
BAD_WORDS = ("both bad", "bothbad", "tie (bothbad)", "neither", "tie both bad")
RANKS = {"rank", "ranking", "place"}
SCALES = ((1, 5), (0, 5), (1, 7), (1, 10), (0, 10), (1, 100), (0, 100))
"""Scales that people are asked on, the narrowest first."""
TIME_FORMS = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%m/%d/%Y %I:%M %p", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M",
    "%d-%m-%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y%m%d", "%b %d, %Y", "%d %b %Y",
)  # fmt: skip


def by_name(role: str, facts: Sequence[ColumnFacts], taken: Collection[str]) -> list[ColumnFacts]:
    """Return the columns that are called like a role and hold something, the likeliest first."""
    names = NAMES[role].split()
    found = [
        (names.index(name), one)
        for one in facts
        if one.cells and one.name not in taken and (name := "_".join(one.words)) in names
    ]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def is_rating(one: ColumnFacts) -> bool:
    """Tell whether a column's cells may be ratings: numbers, truth values, thumbs, or very few short words."""
    return one.numbers is not None or (one.length <= 20 and 0 < len(one.distinct) <= 4)


def verdict_words(words: Sequence[str], models: Collection[str]) -> dict[str, float | str] | None:
    """Return what each word of a verdict says of a; None where one of them is no word for a side or a tie.

    Args:
        words: The distinct words.
        models: Names of models, which need no label.
    """
    found: dict[str, float | str] = {}
    for word in words:
        plain = " ".join(word.casefold().replace("_", " ").replace("-", " ").split())
        if word in models:
            continue
        if plain in A_WORDS:
            found[word] = 1.0
        elif plain in B_WORDS:
            found[word] = 0.0
        elif plain in BAD_WORDS:
            found[word] = BOTH_BAD
        elif plain in TIE_WORDS:
            found[word] = 0.5
        else:
            return None
    # 0 and 1, or 0 alone with one side: whether 0 is a tie or the first answer nobody can see.
    if "0" in found and not {"1", "2"} <= set(found):
        return None
    return found


def needs_no_labels(words: Sequence[str], models: Collection[str]) -> bool:
    """Tell whether a verdict is in the words that are read unasked."""
    return all(word in SIDES or word in models for word in words)


def scale_of(one: ColumnFacts) -> tuple[float, float] | None:
    """Return the worst and the best rating that a column's numbers suggest; None where they are within 0 and 1."""
    numbers = one.numbers
    if numbers is None:
        return None
    low, high = min(numbers), max(numbers)
    if RANKS & set(one.words) and low >= 1:
        return high, 1.0  # a place: the first is the best
    if low >= 0 and high <= 1:
        return None
    if low < 0:
        end = max(-low, high)
        return -end, end
    fitting = next((scale for scale in SCALES if scale[0] <= low and high <= scale[1]), None)
    return (float(fitting[0]), float(fitting[1])) if fitting else (low, high)


def unknown_words(one: ColumnFacts) -> list[str]:
    """Return the words of a rating column that are neither numbers nor thumbs."""
    if one.numbers is not None:
        return []
    return [word for word in one.distinct if word.casefold() not in THUMBS]


def time_forms(one: ColumnFacts) -> list[str | None]:
    """Return every form in which all cells of a column are times; None stands for epoch numbers and ISO 8601."""
    try:
        for cell in one.cells:
            timestamp(cell, one.name)
        return [None]
    except DataError:
        return [form for form in TIME_FORMS if all(_is_time(cell, form) for cell in one.labels)]


def _is_time(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell, form)
    except ValueError:
        return False
    return True


def is_name(one: ColumnFacts) -> bool:
    """Tell whether a column's cells may be names: short, and no numbers with a fraction."""
    fractions = one.numbers is not None and any(number != int(number) for number in one.numbers)
    return 0 < one.length <= LONG and not fractions
