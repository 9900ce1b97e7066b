"""Collect comparisons into the columns of a table, giving codes by first appearance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gmt.data.comparisons import Comparison, text_id
from gmt.data.signals import signal_code
from gmt.data.table_columns import PER_COMPARISON, PER_ROW, TRAIN, VOCABULARIES


class TableBuilder:
    """Hold growing columns and vocabularies.

    Args:
        models: Names that take the first model codes, in this order.
    """

    def __init__(self, models: Sequence[str] = ()) -> None:
        self.codes: dict[str, dict[str, int]] = {name: {} for name in VOCABULARIES}
        self.columns: dict[str, list[float]] = {name: [] for name in PER_COMPARISON + PER_ROW}
        self.start = [0]
        self.opening: dict[str, tuple[int, str]] = {}  # conversation -> its first turn and query
        for name in models:
            self.code("models", name)

    def code(self, vocabulary: str, value: str | None) -> int:
        """Return the code of a name, a new one for a new name, -1 for none."""
        if value is None:
            return -1
        known = self.codes[vocabulary]
        # Codes by first appearance, so that equal sources give equal tables.
        return known.setdefault(value, len(known))

    def extend(self, comparisons: Iterable[Comparison], split: Sequence[int] | None) -> TableBuilder:
        """Add comparisons; `split` holds their (C,) split codes, all TRAIN when left out."""
        columns = self.columns
        # 1. Ids go on behind those given out.
        next_id = int(max(columns["comparison"], default=-1)) + 1
        items = list(comparisons)
        opening = self.opening
        # 2. The question of a later turn is the one its conversation opened with, in whatever order they come.
        for item in items:
            seen = opening.get(item.conversation)
            if seen is None or item.turn < seen[0]:
                opening[item.conversation] = (item.turn, item.query)
        # 3. A line for each comparison, then one for each of its answers.
        for position, item in enumerate(items):
            columns["comparison"].append(next_id + position)
            columns["user"].append(self.code("users", item.user))
            columns["conversation"].append(self.code("conversations", item.conversation))
            columns["turn"].append(item.turn)
            question = item.question if item.question is not None else text_id(opening[item.conversation][1])
            columns["question"].append(self.code("questions", question))
            columns["task"].append(self.code("tasks", item.task))
            columns["query"].append(self.code("texts", item.query))
            columns["timestamp"].append(math.nan if item.timestamp is None else item.timestamp)
            columns["split"].append(TRAIN if split is None else split[position])
            for candidate in item.candidates:
                columns["model"].append(self.code("models", candidate.model))
                columns["response"].append(self.code("texts", candidate.response))
                columns["feedback"].append(self.code("texts", candidate.feedback))
                columns["rating"].append(math.nan if candidate.rating is None else candidate.rating)
                columns["cost"].append(math.nan if candidate.cost is None else candidate.cost)
                columns["signal"].append(signal_code(candidate.signal))
            self.start.append(len(columns["model"]))
        return self

    def finished(self) -> dict[str, Any]:
        """Return vocabularies and columns under the names of `TableColumns`."""
        arrays: dict[str, Any] = {
            name: np.asarray(values, dtype=float if name in ("timestamp", "rating", "cost") else np.int64)
            for name, values in self.columns.items()
        }
        vocabularies = {name: tuple(known) for name, known in self.codes.items()}
        return vocabularies | arrays | {"start": np.asarray(self.start, dtype=np.int64)}
