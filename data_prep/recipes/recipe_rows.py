"""Read what a flat row says by the columns that a recipe names: a vote on two answers, or a rated answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from statistics import fmean
from typing import Any

from data_prep.read.cells import answer, label, needed, number, shown, text, timestamp, whole
from data_prep.read.labels import VERDICT_HINT, Labels
from data_prep.read.row import RatedRow, Row, vote
from data_prep.recipes.expand import flat_rows
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.role_cells import Cell
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

MOST_ORDER = 2**53
"""Turns are known by their order only, so they may be times; beyond this, numbers next to one another look alike."""


@dataclass(frozen=True)
class RowReader:
    """Read the judgement that a recipe states on rows of a file; picklable, so that several processes may.

    Args:
        recipe: The recipe, of one judgement.
        cells: Role -> where it stands.
    """

    recipe: Recipe
    cells: Mapping[str, Cell]

    def __call__(self, file: str, line: int, row: Row) -> list[RatedRow]:
        """Read what one row of the file says.

        Raises:
            DataError: It cannot be read.
        """
        read = self._pair if "winner" in self.cells else self._single
        if self._plain:
            return [read(file, line, row)]  # the plain log of a million votes pays for nothing else
        return [read(file, line, flat) for flat in flat_rows(row, self.recipe)]

    # Kept beside the recipe: its own attributes are checked models, too slow to ask on every row of a large log.
    @cached_property
    def _plain(self) -> bool:
        return self.recipe.each is None and not self.recipe.where and not self.recipe.constants

    @cached_property
    def _words(self) -> Labels:
        return self.recipe.words

    @cached_property
    def _scale(self) -> tuple[float, float] | None:
        return self.recipe.scale

    @cached_property
    def _rated_last(self) -> str | None:
        """The column that says whether a row is the last of its elements, where only that one is rated."""
        each = self.recipe.each
        return f"{each.name}_last" if each is not None and each.rated == "last" else None

    @cached_property
    def _empty(self) -> tuple[str, ...]:
        return tuple(self.recipe.empty)

    def _name(self, role: str) -> str:
        return self.cells[role].name if role in self.cells else role

    def _value(self, row: Row, role: str) -> Any:
        return self.cells[role].value(row) if role in self.cells else None

    def _label(self, row: Row, role: str) -> str | None:
        return self.cells[role].joined(row, label, "/") if role in self.cells else None

    def _text(self, row: Row, role: str) -> str | None:
        return self.cells[role].joined(row, text, "\n") if role in self.cells else None

    def _must(self, row: Row, role: str, found: str | None) -> str:
        # A cell of a joined file may be missing because its row is; that has another repair.
        if found is None and (why := self.cells[role].missing_row(row)):
            raise DataError(why)
        return needed(found, self._name(role))

    def _unrated(self, row: Row) -> bool:
        """Tell whether the judgement belongs to a later round that the same row of the file holds."""
        return self._rated_last is not None and not row[self._rated_last]

    def _may_be_unrated(self) -> bool:
        # Only within a conversation is an unjudged round worth keeping: later queries show it as text.
        return "conversation" in self.cells

    def _answer(self, row: Row, role: str) -> str | None:
        said = answer(self._value(row, role), self._name(role))
        return "" if said is not None and said in self._empty else said

    def _time(self, row: Row) -> float | None:
        if "timestamp" not in self.cells:
            return None
        value, form = self._value(row, "timestamp"), self.recipe.time_format
        if form is None or not isinstance(value, str) or not value.strip():
            return timestamp(value, self._name("timestamp"))
        try:
            found = datetime.strptime(value.strip(), form)
        except ValueError as error:
            raise DataError(f"{self._name('timestamp')} is {shown(value)}; expected a time like {form}") from error
        return timestamp(found if found.tzinfo else found.replace(tzinfo=UTC))

    def _rated_row(self, file: str, line: int, row: Row, candidates: Sequence[Candidate]) -> RatedRow:
        return RatedRow(
            file,
            line,
            self._must(row, "user", self._label(row, "user")),
            self._must(row, "query", self._text(row, "query")),
            candidates,
            self._must(row, "conversation", self._label(row, "conversation")) if "conversation" in self.cells else None,
            whole(self._value(row, "turn"), self._name("turn"), MOST_ORDER),
            self._label(row, "comparison"),
            self._label(row, "question"),
            self._label(row, "task"),
            self._time(row),
        )

    def _pair(self, file: str, line: int, row: Row) -> RatedRow:
        a, b = (self._must(row, role, self._label(row, role)) for role in ("model_a", "model_b"))
        responses = self._answer(row, "response_a"), self._answer(row, "response_b")
        said, winner, name = self._text(row, "feedback"), self._value(row, "winner"), self._name("winner")
        if self._unrated(row) or (label(winner, name) is None and self._may_be_unrated()):
            return self._rated_row(file, line, row, vote((a, b), responses, None, said))
        one, two, more = self._words.verdict(winner, name, (a, b), VERDICT_HINT)
        return self._rated_row(file, line, row, vote((a, b), responses, (one, two), said or more))

    def _single(self, file: str, line: int, row: Row) -> RatedRow:
        rating = None if self._unrated(row) else self._rating(row)
        if rating is None and not self._unrated(row) and not self._may_be_unrated():
            low, high = self._scale or (0, 1)
            raise DataError(f"{self._name('rating')} is empty; expected a number from {low:g} to {high:g}")
        candidate = Candidate(
            self._must(row, "model", self._label(row, "model")),
            self._answer(row, "response"),
            rating,
            self._text(row, "feedback"),
            number(self._value(row, "cost"), self._name("cost")),
        )
        return self._rated_row(file, line, row, [candidate])

    def _rating(self, row: Row) -> float | None:
        """Return the rating in [0, 1]: that of the one column, or the mean of several that are there."""
        cell, scale, words = self.cells["rating"], self._scale, self._words
        found = []
        for column, turned in zip(cell.columns, cell.reversed_, strict=True):
            rating = words.rating(column.value(row), column.name, scale)
            if rating is not None:
                found.append(1.0 - rating if turned else rating)
        return fmean(found) if len(found) > 1 else found[0] if found else None


@dataclass(frozen=True)
class RowReaders:
    """Read all judgements that a row holds, one after the other."""

    readers: tuple[RowReader, ...]

    def __call__(self, file: str, line: int, row: Row) -> list[RatedRow]:
        return [found for reader in self.readers for found in reader(file, line, row)]
