"""Lay the rows of comparisons out as padded arrays, each worked out once."""

from __future__ import annotations

from functools import cached_property

import numpy as np


class RowLayout:
    """Hold what follows from the rows of C comparisons alone, whatever the vocabularies say.

    Args:
        start: (C + 1,) row offsets.
        model: (R,) model codes.
        rating: (R,) ratings or NaN.
    """

    def __init__(self, start: np.ndarray, model: np.ndarray, rating: np.ndarray) -> None:
        self.start, self.model, self.rating = start, model, rating

    @cached_property
    def row_comparison(self) -> np.ndarray:
        """(R,) position of the comparison each row belongs to."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @cached_property
    def padded_rows(self) -> np.ndarray:
        """(C, K) row numbers of each comparison's candidates, -1 under padding."""
        sizes = np.diff(self.start)
        width = int(sizes.max()) if len(sizes) else 0
        slots = np.arange(width)[None, :]
        return np.where(slots < sizes[:, None], self.start[:-1, None] + slots, -1)

    @cached_property
    def mask(self) -> np.ndarray:
        """(C, K) true where a candidate exists."""
        return self.padded_rows >= 0

    @cached_property
    def candidates(self) -> np.ndarray:
        """(C, K) model codes, -1 under padding."""
        rows = self.padded_rows
        # Row -1 under padding reads the last row, which is masked; without any row there is none to read.
        return np.where(self.mask, self.model[rows], -1) if rows.size else rows

    @cached_property
    def ratings(self) -> np.ndarray:
        """(C, K) ratings, NaN where unrated and under padding."""
        rows = self.padded_rows
        return np.where(self.mask, self.rating[rows], np.nan) if rows.size else rows.astype(float)

    @cached_property
    def rated(self) -> np.ndarray:
        """(C,) true where at least one candidate carries a rating."""
        # `reduceat` needs a group to reduce, and no group may be empty: every comparison has a row.
        if len(self.start) < 2:
            return np.zeros(0, bool)
        return np.logical_or.reduceat(~np.isnan(self.rating), self.start[:-1])
