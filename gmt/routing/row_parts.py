"""Cut many vectors into parts that fit in memory in double precision."""

from __future__ import annotations

import numpy as np

MOST_NUMBERS = 100_000_000
"""Numbers (rows times width) that are read at once, .8 GB in double precision; sums over more are added up part by part
and may differ from those of all at once in their last digits."""


def row_parts(count: int, width: int) -> list[np.ndarray]:
    """Return the positions of N rows of D numbers in parts of `MOST_NUMBERS` numbers at most, all of them if they fit.

    Args:
        count, width: N and D.
    """
    size = max(1, MOST_NUMBERS // max(width, 1))
    return [np.arange(low, min(low + size, count)) for low in range(0, max(count, 1), size)]
