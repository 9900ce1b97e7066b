"""Turn felt utilities of answers into votes, stars, rankings and thumbs."""

from __future__ import annotations

import math

import numpy as np

FORMATS = ("votes", "ratings", "rankings", "thumbs", "text")


def rate(felt: np.ndarray, there: np.ndarray, kind: np.ndarray, scale: float, tie_width: float) -> np.ndarray:
    """Turn (C, K) felt utilities into ratings of the form each round has.

    Args:
        felt: (C, K) utilities with their noise, in logits.
        there: (C, K) true where an answer was shown.
        kind: (C,) places in `FORMATS`.
        scale: Standard deviation of utilities without noise; the five stars are cut by it.
        tie_width: Votes tie where the two answers felt nearer than that.

    Returns:
        (C, K) ratings in [0, 1], NaN for remarks in words and under padding.
    """
    rating = np.full(felt.shape, np.nan)
    order = np.where(there, felt, -np.inf)
    place = (order[:, None, :] > order[:, :, None]).sum(axis=2)  # how many of the others felt better
    last = np.maximum(there.sum(axis=1, keepdims=True) - 1, 1)
    # A vote is a ranking of two: places run from 1 for the best to 0 for the last.
    ranked = np.isin(kind, [FORMATS.index("votes"), FORMATS.index("rankings")])
    rating[ranked] = (1 - place / last)[ranked]
    if felt.shape[1] > 1:
        near = np.abs(felt[:, 0] - felt[:, 1]) < tie_width
        rating[near & (kind == FORMATS.index("votes")), :2] = 0.5
    stars = kind == FORMATS.index("ratings")
    # A logistic curve over the deviation of felt utilities makes the five levels about equally common.
    level = 1 / (1 + np.exp(-1.7 * felt[stars] / math.sqrt(scale**2 + math.pi**2 / 6)))
    rating[stars] = np.minimum(np.floor(5 * level), 4) / 4
    thumbs = kind == FORMATS.index("thumbs")
    rating[thumbs] = felt[thumbs] > 0
    return np.where(there, rating, np.nan)
