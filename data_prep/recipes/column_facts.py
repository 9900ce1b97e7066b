"""Look at the columns of a table: what their cells are, and which two of them stand for two sides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data_prep.read.row import Row

SIDE_WORDS = (("a", "b"), ("left", "right"), ("1", "2"), ("x", "y"), ("first", "second"), ("one", "two"))
"""How two columns of a pair call their sides."""
LONG = 60
"""Characters from which a cell is a text and no name."""


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a column's name in lower case: `userEmail`, `user-email` and `data.user_email` alike."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rsplit(".", 1)[-1])
    return tuple(word for word in re.split(r"[^a-z0-9]+", name.lower()) if word)


@dataclass(frozen=True)
class ColumnFacts:
    """Hold what is known of a column.

    Args:
        name: Its name or path.
        cells: Those of its cells that are not empty.
        rows: How many rows were looked at.
    """

    name: str
    cells: tuple[Any, ...]
    rows: int

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The cells as names."""
        return tuple(_label(cell) for cell in self.cells if not isinstance(cell, (list, dict)))

    @cached_property
    def distinct(self) -> tuple[str, ...]:
        """Distinct names, as first met."""
        return tuple(dict.fromkeys(self.labels))

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """The cells as numbers; None where one is none."""
        try:
            found = tuple(float(cell) for cell in self.labels if cell.casefold() not in ("true", "false"))
        except ValueError:
            return None
        whole = len(found) == len(self.cells) and found and all(map(math.isfinite, found))
        return found if whole else None

    @cached_property
    def length(self) -> float:
        """Mean length of the cells as texts."""
        return sum(map(len, self.labels)) / max(len(self.labels), 1)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name."""
        return words_of(self.name)

    @property
    def is_messages(self) -> bool:
        """Whether its cells are chat messages."""
        return bool(self.cells) and all(
            isinstance(cell, list)
            and cell
            and all(isinstance(one, Mapping) and {"role", "content"} <= one.keys() for one in cell)
            for cell in self.cells
        )


def facts_of(rows: Sequence[Row]) -> list[ColumnFacts]:
    """Return what is known of every column of some rows, those one step into an object included."""
    cells: dict[str, list[Any]] = {}
    for row in rows:
        for name, cell in _leaves(row):
            found = cells.setdefault(name, [])
            if cell is not None and not (isinstance(cell, str) and not cell.strip()):
                found.append(cell)
    return [ColumnFacts(name, tuple(found), len(rows)) for name, found in cells.items()]


def side_pairs(facts: Iterable[ColumnFacts]) -> list[tuple[ColumnFacts, ColumnFacts]]:
    """Return the pairs of columns whose names differ in the word for the side alone, such as `left`, `right`."""
    known = {facts_.words: facts_ for facts_ in facts if facts_.cells}
    found = []
    for words, one in known.items():
        for a, b in SIDE_WORDS:
            for at in (place for place, word in enumerate(words) if word == a):
                other = known.get((*words[:at], b, *words[at + 1 :]))
                if other is not None:
                    found.append((one, other))
    return found


def _leaves(row: Row) -> Iterable[tuple[str, Any]]:
    for name, cell in row.items():
        if isinstance(cell, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in cell.items())
        else:
            yield name, cell


def _label(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()
