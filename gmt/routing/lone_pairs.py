"""Set ratings that one user gave to different answers alone against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.routing.pairwise import lone_rows


@dataclass(frozen=True, eq=False)
class LonePairs:
    """Hold L pairs of answers that one user rated alone, in two comparisons, and not alike.

    Given that one of the two was rated above a level and the other was not, the chance that it was the first is
    s(z_a - z_b): leniency and thresholds cancel, so that scores alone can be asked.

    Source: Andersen, Asymptotic properties of conditional maximum-likelihood estimators (1970), for the Rasch model.

    Args:
        a, b: (L,) comparisons of the two answers.
        slot_a, slot_b: (L,) where they stand among the candidates.
        y: (L,) 1 where a was rated higher, else 0.
    """

    a: np.ndarray
    b: np.ndarray
    slot_a: np.ndarray
    slot_b: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def of(cls, table: InteractionTable, rows: np.ndarray | None = None, values: np.ndarray | None = None) -> LonePairs:
        """Set every lone rating of a user against two others, those next to it and a third of them further on.

        Args:
            table: Where they stand.
            rows, values: (N,) other rows, and how they were judged; by default the answers rated alone.
        """
        if rows is None or values is None:
            rows = lone_rows(table)
            values = table.rating[rows]
        comparison = table.row_comparison[rows]
        order = np.argsort(table.user[comparison], kind="stable")
        rows, values, comparison = rows[order], values[order], comparison[order]
        user = table.user[comparison]
        _, first, count = np.unique(user, return_index=True, return_counts=True)
        begin, many = np.repeat(first, count), np.repeat(count, count)
        place = np.arange(len(rows)) - begin
        # On a ring, so that every rating is met equally often, and a user of n ratings has about n pairs.
        ends = [np.stack([place, (place + gap) % np.maximum(many, 1)]) for gap in (1, many // 3)]
        low, high = np.sort(np.concatenate(ends, axis=1), axis=0) + np.tile(begin, 2)
        low, high = np.unique(np.stack([low, high]), axis=1)
        kept = values[low] != values[high]
        low, high = low[kept], high[kept]
        slot = rows - table.start[comparison]
        y = (values[low] > values[high]).astype(float)
        return cls(comparison[low], comparison[high], slot[low], slot[high], y)

    def differences(self, scores: np.ndarray) -> np.ndarray:
        """Return (L,) the score of a less that of b, given (C, K) scores."""
        return scores[self.a, self.slot_a] - scores[self.b, self.slot_b]
