"""Read what every arena has: one conversation with two models side by side, and a verdict on its last round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data_prep.read.cells import label, needed
from data_prep.read.chat_messages import ChatRound
from data_prep.read.row import RatedRow, Row
from gmt.data.comparisons import Candidate
from gmt.errors import DataError


@dataclass(frozen=True)
class Battle:
    """Hold one battle without its rounds.

    Args:
        models: The two models.
        ratings: What the verdict makes of each.
        remarks: What was said of each in words.
        user, conversation, question, task, timestamp: As of `RatedRow`.
    """

    models: tuple[str, str]
    ratings: tuple[float, float]
    remarks: tuple[str | None, str | None]
    user: str
    conversation: str
    question: str | None = None
    task: str | None = None
    timestamp: float | None = None

    def rows(self, file: str, line: int, rounds: Sequence[tuple[ChatRound, ChatRound]]) -> Iterator[RatedRow]:
        """Yield a row for every round; the verdict stands on the last, for it is known only then."""
        # All rounds become rows, for the earlier ones are what the user had read when the vote was cast.
        for turn, sides in enumerate(rounds):
            last = turn == len(rounds) - 1
            candidates = [
                Candidate(model, said.answer, rating if last else None, remark if last else None)
                for model, said, rating, remark in zip(self.models, sides, self.ratings, self.remarks, strict=True)
            ]
            yield RatedRow(
                *(file, line, self.user, sides[0].query, candidates, self.conversation, turn, None),
                *(self.question, self.task, self.timestamp),
            )


def two_models(row: Row, names: Sequence[str]) -> tuple[str, str]:
    """Read the two models of a battle.

    Raises:
        DataError: One is missing, or both are one.
    """
    a, b = (needed(label(row.get(name), name), name) for name in names)
    if a == b:
        raise DataError(f"{a} was set against itself; expected two different models")
    return a, b


def common_rounds(a: Sequence[ChatRound], b: Sequence[ChatRound]) -> list[tuple[ChatRound, ChatRound]]:
    """Return the rounds that both sides have.

    Raises:
        DataError: There is none, or the two sides were asked different questions.
    """
    # Not strict: where one side broke off, what both answered still compares them.
    rounds = list(zip(a, b, strict=False))
    if not rounds:
        raise DataError("the two conversations have no answered question in common; expected one or more")
    for turn, (one, two) in enumerate(rounds):
        if one.query != two.query:
            raise DataError(f"round {turn + 1} asks the two models different questions; expected the same")
    return rounds
