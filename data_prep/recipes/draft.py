"""Find, one after the other, the columns that a vote or a rating needs, and say why each was taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from data_prep.recipes.column_facts import LONG, ColumnFacts, side_pairs
from data_prep.recipes.guess import (
    by_name,
    is_name,
    is_rating,
    needs_no_labels,
    scale_of,
    time_forms,
    unknown_words,
    verdict_words,
)
from data_prep.recipes.recipe_parts import Each

ROUND = "round"
TEXT_WORDS = {"response", "answer", "completion", "output", "text", "reply", "conversation", "result", "generation"}
"""Words in the names of columns that hold answers."""


@dataclass
class Draft:
    """Hold a proposal while it is made.

    Args:
        facts: The columns.
        columns: Role -> column.
        reasons: What was found, one line each.
        open: What could not be settled, one line each.
        labels, scale, time_format, each: As in a recipe.
    """

    facts: list[ColumnFacts]
    columns: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    labels: dict[str, float | str] | None = None
    scale: tuple[float, float] | None = None
    time_format: str | None = None
    each: Each | None = None

    def take(self, role: str, one: ColumnFacts, why: str = "") -> None:
        """Give a role to a column."""
        self.columns[role] = one.name
        shown = ", ".join(cell[:24] for cell in one.distinct[:3])
        self.reasons.append(f"{role}: {one.name} ({len(one.distinct):,} distinct, e.g. {shown}){why}")

    def take_named(self, role: str, fits: Callable[[ColumnFacts], bool] | None = None) -> ColumnFacts | None:
        """Give a role to the likeliest column that is called so and fits."""
        for one in by_name(role, self.facts, self.columns.values()):
            if fits is None or fits(one):
                self.take(role, one)
                return one
        return None


def find_rounds(draft: Draft) -> None:
    """Take chat messages apart, where a column holds them."""
    chat = next((one for one in draft.facts if one.is_messages), None)
    if chat is None:
        return
    draft.each = Each(messages=chat.name, **{"as": ROUND}, rated="last")
    draft.columns |= {"query": f"{ROUND}.query", "response": f"{ROUND}.answer", "turn": f"{ROUND}_number"}
    draft.reasons.append(f"rounds: {chat.name} holds chat messages; the rating is on the last answer")
    if any("model" in message for cell in chat.cells for message in cell):
        draft.columns["model"] = f"{ROUND}.model"
        draft.reasons.append(f"model: the messages of {chat.name} name it")


def find_time(draft: Draft) -> None:
    """Find when rows were judged, and how times are written."""
    one = next(iter(by_name("timestamp", draft.facts, ())), None)
    if one is None:
        return
    forms = time_forms(one)
    if len(forms) == 1:
        draft.take("timestamp", one, f", written as {forms[0]}" if forms[0] else "")
        draft.time_format = forms[0]
    elif forms:
        draft.open.append(f"{one.name} may be {' or '.join(map(str, forms))}; name one with --time-format")
    else:
        draft.open.append(f"{one.name} is called like a time and is none that is known; name its --time-format")


def find_votes(draft: Draft) -> bool:
    """Find a vote on two answers; return whether there is one."""
    pairs = side_pairs(draft.facts)
    texts = [pair for pair in pairs if _is_text(pair[0]) or _is_text(pair[1])]
    # Names before numbers: ids of models often stand beside their names.
    names = sorted((pair for pair in pairs if pair not in texts), key=lambda pair: pair[0].numbers is not None)
    if not names:
        return False
    models = {*names[0][0].distinct, *names[0][1].distinct}
    for one in by_name("winner", draft.facts, draft.columns.values()):
        words = verdict_words(one.distinct, models)
        known = needs_no_labels(one.distinct, models)
        if words is None and not known and len(one.distinct) > 6:
            continue
        draft.take("model_a", names[0][0])
        draft.take("model_b", names[0][1])
        draft.take("winner", one)
        if not known:
            draft.labels = words
        if words is None and not known:
            shown = ", ".join(one.distinct[:6])
            draft.open.append(f"what {one.name} says ({shown}) could not be told; name the words with --labels A,B,TIE")
        if texts:
            draft.take("response_a", texts[0][0])
            draft.take("response_b", texts[0][1])
        return True
    return False


def _is_text(one: ColumnFacts) -> bool:
    return one.length > LONG or bool(TEXT_WORDS & set(one.words))


def find_ratings(draft: Draft) -> None:
    """Find a rated answer."""
    if "model" not in draft.columns:
        draft.take_named("model", is_name)
    one = draft.take_named("rating", is_rating)
    if one is None:
        return
    draft.scale = scale_of(one)
    if draft.scale is not None and one.numbers is not None:
        worst, best = draft.scale
        seen = f"{min(one.numbers):g} to {max(one.numbers):g} are seen"
        draft.open.append(f"the scale of {one.name} is taken to be {worst:g} to {best:g} (worst to best), for {seen}")
    if unknown := unknown_words(one):
        draft.open.append(
            f"what {one.name} says ({', '.join(unknown[:4])}) could not be told; name the words with --labels GOOD,BAD"
        )


def find_texts(draft: Draft) -> None:
    """Find the columns that most tables have and none must have, and the query."""
    single = "rating" in draft.columns
    roles = ("conversation", "turn", "question", "task", "comparison", *(("cost",) if single else ()))
    for role in roles:
        # A turn without a conversation, and the other way round, orders nothing.
        if role not in draft.columns and (role != "turn" or "conversation" in draft.columns):
            draft.take_named(role, is_name)
    if "query" not in draft.columns and draft.take_named("query", lambda one: one.numbers is None) is None:
        # No name says it: the longest text that is no answer is what was asked.
        free = [one for one in draft.facts if one.labels and one.numbers is None and one.name not in _used(draft)]
        named = {one.name for role in ("response", "feedback") for one in by_name(role, draft.facts, ())}
        longest = max((one for one in free if one.name not in named), key=lambda one: one.length, default=None)
        # Keys of other tables are long too, but have no words.
        if longest is not None and sum(" " in cell for cell in longest.labels) * 2 > len(longest.labels):
            draft.take("query", longest, ", the longest text")
            draft.open.append(f"query is taken to be {longest.name}, the longest text; no name says so")
    if single and "response" not in draft.columns:
        draft.take_named("response", lambda one: one.numbers is None)
    draft.take_named("feedback", lambda one: one.numbers is None)


def _used(draft: Draft) -> set[str]:
    return set(draft.columns.values())
