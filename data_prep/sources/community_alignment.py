"""Read the Community Alignment dataset: four turns with four answers each, of which a person prefers one."""

from __future__ import annotations

from pathlib import Path

from data_prep.read.cells import answer, label, needed, text
from data_prep.read.rated_input import Grouping, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.anonymous_votes import slot_cards, vote_on_places
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError

TURNS, ANSWERS = ("first", "second", "third", "fourth"), "abcd"
FIELDS = ("annotator_id", "first_turn_prompt", "first_turn_preferred_response")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read rows of `facebook/community-alignment-dataset`; each is a conversation.

    One answer of four is preferred, and nothing is said of the others among each other: three votes of it against each
    of them, and no ties. No model is named, so answers are named by their places and shown when they are ranked.
    """
    found = read_rated(input, _conversation, options.mapper, Grouping(line_is_conversation=True))
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, "conversations with " + ", ".join(FIELDS))
    scale, models = "preferred of four answers: three votes, 1 and 0", slot_cards(found.grouped.names["model"])
    return RawData.of_input(found, scale, conversations=True, models=models, answers_shown=True)


def _conversation(file: str, line: int, row: Row) -> list[RatedRow]:
    user = needed(label(row.get("annotator_id"), "annotator_id"), "annotator_id")
    name = label(row.get("conversation_id"), "conversation_id") or f"{file}/{line}"
    task = label(row.get("assigned_lang"), "assigned_lang")
    found: list[RatedRow] = []
    for turn, word in enumerate(TURNS):
        query = text(row.get(f"{word}_turn_prompt"), f"{word}_turn_prompt")
        # A conversation may end early; what stands behind its end has no question.
        if query is None:
            break
        columns = [f"{word}_turn_response_{letter}" for letter in ANSWERS]
        shown = {place: said for place, one in enumerate(columns) if (said := answer(row.get(one), one)) is not None}
        best = _preferred(row, f"{word}_turn_preferred_response")
        if best is not None and best not in shown:
            raise DataError(f"{columns[best]} is preferred and empty; expected text")
        feedback = text(row.get(f"{word}_turn_feedback"), f"{word}_turn_feedback")
        for place, said in shown.items():
            if best is None or place == best:
                continue
            candidates = vote_on_places((best, place), (shown[best], said), (1.0, 0.0))
            # What is said of a choice is said of what was chosen.
            candidates = [
                one if one.rating == 0.0 or feedback is None else type(one)(one.model, one.response, 1.0, feedback)
                for one in candidates
            ]
            found.append(RatedRow(file, line, user, query, candidates, name, turn, None, None, task))
    if not found:
        raise DataError("no turn has a preferred response; expected one or more")
    return found


def _preferred(row: Row, column: str) -> int | None:
    """Read `a`, `response_a` or the name of the column itself; None where nothing is preferred."""
    said = label(row.get(column), column)
    if said is None:
        return None
    letter = said.lower()
    letter = letter if len(letter) == 1 else letter.rpartition("response_")[2]
    if letter not in tuple(ANSWERS):
        raise DataError(f"{column} is {said!r}; expected response_a to response_d")
    return ANSWERS.index(letter)
