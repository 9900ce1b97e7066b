"""Read votes of compar:IA, the French government's arena."""

from __future__ import annotations

from pathlib import Path

from data_prep.read.cells import label, timestamp
from data_prep.read.chat_messages import message_rounds
from data_prep.read.rated_input import Grouping, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.battle_rounds import Battle, common_rounds, two_models
from data_prep.sources.sittings import judge_of, notes_on_sittings
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError

FIELDS = ("model_a_name", "model_b_name", "conversation_a", "conversation_b")
REMARKS = (
    *("useful", "creative", "clear_formatting", "complete"),
    *("incorrect", "superficial", "instructions_not_followed"),
)
"""What a voter may tick of each answer (`conv_<word>_<side>`), praise first."""
TRUE = ("true", "1", "1.0")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read rows of `ministere-culture/comparia-votes`.

    The vote stands on the last round, as in the arena; what was ticked of an answer is its feedback, in words.
    The user is `visitor_id`; where it is missing, the sitting (`session_hash`) stands in and `notes` say so.
    """
    found = read_rated(input, _vote, options.mapper, Grouping(line_is_conversation=True))
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, "votes with " + ", ".join(FIELDS))
    scale = "winner of a conversation: 1 and 0, equal 0.5, on its last round"
    return RawData.of_input(found, scale, conversations=True, notes=notes_on_sittings(found.grouped))


def _vote(file: str, line: int, row: Row) -> list[RatedRow]:
    models = two_models(row, FIELDS[:2])
    name = label(row.get("conversation_pair_id"), "conversation_pair_id") or label(row.get("id"), "id")
    user, ratings = judge_of(row, ("visitor_id",), ("session_hash",), name), _ratings(row, *models)
    when = timestamp(row.get("timestamp"))
    rounds = common_rounds(*(message_rounds(row.get(side), side) for side in FIELDS[2:]))
    remarks = _remark(row, "a"), _remark(row, "b")
    battle = Battle(models, ratings, remarks, user, name or f"{file}/{line}", timestamp=when)
    return list(battle.rows(file, line, rounds))


def _ratings(row: Row, a: str, b: str) -> tuple[float, float]:
    if _true(row.get("both_equal")):
        return 0.5, 0.5
    chosen = label(row.get("chosen_model_name"), "chosen_model_name")
    if chosen not in (a, b):
        raise DataError(f"chosen_model_name is {chosen!r}; expected {a} or {b}, or both_equal true")
    return (1.0, 0.0) if chosen == a else (0.0, 1.0)


def _remark(row: Row, side: str) -> str | None:
    ticked = [word.replace("_", " ") for word in REMARKS if _true(row.get(f"conv_{word}_{side}"))]
    return ", ".join(ticked) or None


def _true(value: object) -> bool:
    # CSV and Parquet copies of the set write truth in different ways.
    return value is True or str(value).strip().casefold() in TRUE
