"""Say how long ago a person rated something, counted in what they rated since."""

from __future__ import annotations

import numpy as np

from gmt.data.interactions import InteractionTable


def rated_since(table: InteractionTable) -> np.ndarray:
    """Return (C,) how many comparisons the same person rated after each one; 0 for those without a rating.

    Time decides, then the place in the table, then the turn; a rating without a time is newer than those with one.
    """
    rows = np.flatnonzero(table.rated)
    time = np.where(np.isnan(table.timestamp[rows]), np.inf, table.timestamp[rows])
    order = rows[np.lexsort((table.turn[rows], rows, time, table.user[rows]))]
    user = table.user[order]
    since = np.zeros(len(table))
    since[order] = np.searchsorted(user, user, side="right") - 1 - np.arange(len(order))
    return since


def faded(gap: np.ndarray, half_life: float) -> np.ndarray:
    """Return what is left of a likeness after `gap` ratings: half after each half-life, all where that is 0."""
    return 0.5 ** (gap / half_life) if half_life else np.ones_like(gap, dtype=float)
