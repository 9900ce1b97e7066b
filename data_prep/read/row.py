"""Say what a row is: its cells as read from a file, what it says once parsed, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gmt.data.comparisons import Candidate
from gmt.errors import DataError

Row = dict[str, Any]
"""Column -> cell, as a file holds it."""
NumberedRow = tuple[str, int, Row]
"""File name, line (from 1) and cells of a row."""
Parsed = TypeVar("Parsed")
Parse = Callable[[str, int, Row], Sequence[Parsed]]
"""Reads what a row (its file, line and cells) says; it must be picklable where several processes read."""


@dataclass(frozen=True)
class Rejected:
    """Name a row that could not be read: its file, its line (from 1) and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}"


class WrongCall(DataError):
    """Report a row which shows that an option of the call is wrong or missing.

    Args:
        row: The row and what is wrong.
    """

    def __init__(self, row: Rejected) -> None:
        super().__init__(str(row))
        self.row = row

    def __reduce__(self) -> tuple[type[WrongCall], tuple[Rejected]]:
        return WrongCall, (self.row,)  # an exception is pickled by its message else


@dataclass
class RatedRow:
    """Hold what one row says: a vote on two answers, or one rated answer.

    Args:
        file, line: Where the row stands.
        user, query: As in `Comparison`.
        candidates: Two for a vote, one for a rated answer.
        conversation, turn, comparison: The row's own grouping, None where it states none.
        question, task, timestamp: As in `Comparison`.
        split: Split code, where the row states one.
    """

    file: str
    line: int
    user: str
    query: str
    candidates: Sequence[Candidate]
    conversation: str | None = None
    turn: int | None = None
    comparison: str | None = None
    question: str | None = None
    task: str | None = None
    timestamp: float | None = None
    split: int | None = None


def vote(
    models: tuple[str, str],
    responses: tuple[str | None, str | None],
    ratings: tuple[float, float] | None,
    feedback: str | None = None,
    costs: tuple[float | None, float | None] = (None, None),
) -> list[Candidate]:
    """Return the two candidates of a vote; without ratings the round was shown and not judged.

    Raises:
        DataError: A model was set against itself.
    """
    # A vote between equal models has no difference to learn, and (comparison, model) must be unique.
    if models[0] == models[1]:
        raise DataError(f"{models[0]} was set against itself; expected two different models")
    return [
        Candidate(model, response, rating, feedback, cost)
        for model, response, rating, cost in zip(models, responses, ratings or (None, None), costs, strict=True)
    ]


def in_file_order(rejected: Sequence[Rejected]) -> list[Rejected]:
    """Return the rows by file, as first named, and line."""
    # Reversed, so that the first place of a file overwrites later ones and stands.
    files = {one.file: number for number, one in reversed(list(enumerate(rejected)))}
    return sorted(rejected, key=lambda one: (files[one.file], one.line))
