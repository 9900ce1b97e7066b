"""Read Chatbot Arena battles: one conversation with two models, one vote at its end."""

from __future__ import annotations

from pathlib import Path

from data_prep.read.cells import label, needed, timestamp
from data_prep.read.chat_messages import message_rounds
from data_prep.read.labels import OUR_LABELS
from data_prep.read.rated_input import Grouping, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

FIELDS = ("question_id", "judge", "model_a", "model_b", "winner", "conversation_a", "conversation_b")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read rows with the columns of `lmsys/chatbot_arena_conversations`.

    A battle is one conversation and each of its rounds one comparison. The vote judges the battle
    as a whole and is known only after the last round, so it stands there; earlier rounds are
    unrated. Rounds that only one side has are left out.
    """
    found = read_rated(input, _battle, options.mapper, Grouping(line_is_conversation=True))
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, "battles with " + ", ".join(FIELDS))
    return RawData(
        grouped=found.grouped,
        rejected=found.rejected,
        rows=len(found.grouped.names["conversation"]),
        rating_scale="winner of a battle: 1 and 0, tie 0.5, on its last round",
        distant=found.distant,
    )


def _battle(file: str, line: int, row: Row) -> list[RatedRow]:
    models = [needed(label(row.get(name), name), name) for name in ("model_a", "model_b")]
    if models[0] == models[1]:
        raise DataError(f"{models[0]} was set against itself; expected two different models")
    user = needed(label(row.get("judge"), "judge"), "judge")
    # `question_id` numbers battles, so it serves as the name of the conversation too.
    question = needed(label(row.get("question_id"), "question_id"), "question_id")
    *ratings, feedback = OUR_LABELS.verdict(row.get("winner"), "winner", (models[0], models[1]))
    when = timestamp(row.get("tstamp"), "tstamp")
    task = label(row.get("task"), "task") or label(row.get("category"), "category")
    a, b = (message_rounds(row.get(name), name) for name in ("conversation_a", "conversation_b"))
    # Not strict: where one side broke off, what both answered still compares them.
    rounds = list(zip(a, b, strict=False))
    if not rounds:
        raise DataError("the two conversations have no answered question in common; expected one or more")
    for turn, (one, two) in enumerate(rounds):
        if one.query != two.query:
            raise DataError(f"round {turn + 1} asks the two models different questions; expected the same")
    found = []
    # All rounds become rows, for the earlier ones are what the user had read when the vote was cast.
    for turn, sides in enumerate(rounds):
        last = turn == len(rounds) - 1
        candidates = [
            Candidate(model, side.answer, rating if last else None, feedback if last else None)
            for model, side, rating in zip(models, sides, ratings, strict=True)
        ]
        found.append(RatedRow(file, line, user, sides[0].query, candidates, question, turn, None, question, task, when))
    return found
