"""Say how long ago a user rated something, counted in what they rated since."""

from __future__ import annotations

import numpy as np

from gmt.data.interactions import InteractionTable


def rated_since(table: InteractionTable) -> np.ndarray:
    """Return (C,) how many comparisons the same user rated after each one; 0 for those without a rating.

    Time decides, then the place in the table, then the turn; a rating without a time is newer than those with one.
    """
    rows = np.flatnonzero(table.rated)
    # A rating without a time is one that came just now.
    time = np.where(np.isnan(table.timestamp[rows]), np.inf, table.timestamp[rows])
    order = rows[np.lexsort((table.turn[rows], rows, time, table.user[rows]))]
    user = table.user[order]
    since = np.zeros(len(table))
    # A user's last place less one's own is how many came after.
    since[order] = np.searchsorted(user, user, side="right") - 1 - np.arange(len(order))
    return since


def recency_weight(gap: np.ndarray, half_life: float) -> np.ndarray:
    """Return 0.5^(gap / half_life), the weight left after `gap` later ratings; 1 where the half-life is 0.

    As a function of the gap between two ratings it is a positive definite (exponential) kernel, so its product with
    another kernel is one too.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 4.2.
    """
    return 0.5 ** (gap / half_life) if half_life else np.ones_like(gap, dtype=float)
