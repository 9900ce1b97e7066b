"""Turn ratings of any form into the preference features that graph edges and response nodes carry."""

from __future__ import annotations

import numpy as np

FEEDBACK = ("rated", "rating", "advantage", "best", "tie", "written")
"""Preference features of a response: 1 if rated; 2 rating - 1; rating less the mean of the other
candidates'; 1 if rated above every other; 1 if all are rated alike; 1 if there is feedback text."""


def feedback_features(ratings: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Return the preference features named in `FEEDBACK`.

    Votes, ratings, rankings and thumbs all arrive as numbers in [0, 1]; what a candidate gained
    over the others it was shown with is `advantage`, which for one candidate alone is 2 rating - 1.

    Args:
        ratings: (C, K) ratings, NaN where unrated.
        written: (C, K) true where there is feedback text.

    Returns:
        (C, K, len(FEEDBACK)) float32.
    """
    rated = ~np.isnan(ratings)
    filled = np.where(rated, ratings, 0.0)
    count = rated.sum(1, keepdims=True)
    # A lone candidate has no others to gain over: its advantage is how far it lies from indifference.
    others = np.maximum(count - 1, 1)
    advantage = np.where(count > 1, filled - (filled.sum(1, keepdims=True) - filled) / others, 2 * filled - 1)
    top = np.where(rated, ratings, -np.inf).max(1, keepdims=True) if ratings.size else filled
    # Best and tie say nothing where only one candidate is rated.
    several = count > 1
    sole_best = (filled == top) & (((filled == top) & rated).sum(1, keepdims=True) == 1) & several
    tie = (((filled == top) & rated).sum(1, keepdims=True) == count) & several
    parts = [rated, 2 * filled - 1, advantage, sole_best, np.broadcast_to(tie, rated.shape)]
    features = np.stack([np.where(rated, part, 0.0) for part in parts] + [written.astype(float)], axis=-1)
    return features.astype(np.float32)
