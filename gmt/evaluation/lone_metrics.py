"""Measure within each user how well scores order the answers that were rated alone; NumPy and SciPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gmt.evaluation.metrics import ratio

LEAST_RATINGS = 5
"""Lone ratings of a user from which on a rank correlation is worth computing."""
ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class LoneScores:
    """Hold the N answers that were rated alone, with their scores.

    Ratings of different users are never compared, for a kind user's four stars are not a strict user's.

    Args:
        who: (N,) column of the users' weights each belongs to.
        score, rating: (N,).
    """

    who: np.ndarray
    score: np.ndarray
    rating: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, ratings: np.ndarray, user: np.ndarray) -> LoneScores:
        """Read comparisons with one rated answer.

        Args:
            scores, ratings: (C, K).
            user: (C,) columns of weights.
        """
        rated = ~np.isnan(ratings)
        alone = np.flatnonzero(rated.sum(axis=1) == 1)
        slot = np.argmax(rated[alone], axis=1) if len(alone) else alone
        return cls(user[alone], scores[alone, slot], ratings[alone, slot])

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return (B,) means over users of their own AUC and Spearman correlation, under (B, U) weights of users."""
        areas, correlations = {}, {}
        for user in np.unique(self.who).tolist():
            own = self.who == user
            score, rating = self.score[own], self.rating[own]
            area = ordered_share(score, rating)
            if area is not None:
                areas[user] = area
                if len(score) >= LEAST_RATINGS:
                    correlations[user] = spearman(score, rating)
        return {"lone_auc": _over_users(areas, weights), "rank_correlation": _over_users(correlations, weights)}

    def ordered_users(self, least: int = 2) -> np.ndarray:
        """Return the users with at least so many ratings that are not all alike."""
        users = np.unique(self.who)
        many = [
            (self.who == user).sum() >= least and np.ptp(self.rating[self.who == user]) > 0 for user in users.tolist()
        ]
        return users[np.array(many, bool)]


def ordered_share(score: np.ndarray, rating: np.ndarray) -> float | None:
    """Return the share of pairs of (N,) different ratings that scores order alike, equal scores counting half.

    Returns:
        None where all ratings are equal.
    """
    right, pairs = 0.0, 0
    step = max(1, ROWS_AT_ONCE // max(len(score), 1))
    # Block by block, for a user of many ratings has their square of pairs.
    for low in range(0, len(score), step):
        higher = rating[low : low + step, None] > rating
        right += ((1 + np.sign(score[low : low + step, None] - score)) / 2)[higher].sum()
        pairs += int(higher.sum())
    return right / pairs if pairs else None


def spearman(score: np.ndarray, rating: np.ndarray) -> float:
    """Return the rank correlation of (N,) scores and ratings that are not all equal; 0 where all scores are.

    Source: Spearman, The proof and measurement of association between two things (1904).
    """
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (score, rating))
    size = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / size) if size else 0.0


def _over_users(values: dict[int, float], weights: np.ndarray) -> np.ndarray:
    # Computed once for each user: a resample repeats whole users, whose own values stay the same.
    users = np.array(list(values), np.int64)
    counted = weights[:, users]
    return ratio(counted @ np.array(list(values.values()), float), counted.sum(axis=1))
