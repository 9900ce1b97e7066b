"""Read what stands for one role of a row, in one column or in several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data_prep.read.joins import Column
from data_prep.read.row import Row


@dataclass(frozen=True)
class Cell:
    """Read one role of a row from one or several columns.

    Args:
        columns: Where it stands.
        reversed_: Of each, whether a rating counts from the other end of the scale.
    """

    columns: tuple[Column, ...]
    reversed_: tuple[bool, ...] = (False,)

    @cached_property
    def name(self) -> str:
        """What messages call it."""
        return " and ".join(column.name for column in self.columns)

    def value(self, row: Row) -> Any:
        """Return the cell, where one column holds it."""
        return self.columns[0].value(row)

    def joined(self, row: Row, kind: Callable[[Any, str], str | None], between: str) -> str | None:
        """Return the texts or names of all columns as one."""
        if len(self.columns) == 1:
            return kind(self.columns[0].value(row), self.columns[0].name)
        parts = [kind(column.value(row), column.name) for column in self.columns]
        return between.join(part for part in parts if part) or None

    def missing_row(self, row: Row) -> str | None:
        """Say which joined row is missing, where that is why a cell is."""
        column = self.columns[0]
        lost = column.join is not None and column.join.match(row) is None
        return f"{column.name} is missing: {column.join.missing(row)}" if lost and column.join else None
