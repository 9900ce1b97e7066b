"""Compute metrics of score differences and choices under weights of users; NumPy and SciPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

LEAST_PAIRS, BINS = 5, 10
NUMBERS_AT_ONCE = 8_000_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Hold P pairs of candidates with different ratings.

    Args:
        comparison: (P,) row of the (C, K) matrices.
        winner, loser: (P,) columns of the candidate rated higher and of the one rated lower.
    """

    comparison: np.ndarray
    winner: np.ndarray
    loser: np.ndarray

    def differences(self, scores: np.ndarray) -> np.ndarray:
        """Return (P,) the winner's score less the loser's."""
        return scores[self.comparison, self.winner] - scores[self.comparison, self.loser]


def pairs_of(ratings: np.ndarray) -> Pairs:
    """Return every pair of rated candidates of one comparison with different ratings.

    Args:
        ratings: (C, K) ratings, NaN where unrated or padded.
    """
    first, second = np.triu_indices(ratings.shape[1], 1)
    # K (K - 1) / 2 numbers for each comparison: a block of comparisons at a time.
    size = max(1, NUMBERS_AT_ONCE // max(len(first), 1))
    found = [
        _pairs_within(ratings, slice(start, start + size), first, second) for start in range(0, len(ratings), size)
    ]
    empty = np.zeros(0, np.int64)
    return Pairs(*(np.concatenate([empty, *(part[column] for part in found)]) for column in range(3)))


def _pairs_within(ratings: np.ndarray, block: slice, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return (P,) comparisons, winners and losers among a block of (C, K) ratings, given the columns of every pair."""
    left, right = ratings[block][:, first], ratings[block][:, second]
    with np.errstate(invalid="ignore"):
        comparison, pair = np.nonzero((left != right) & ~np.isnan(left) & ~np.isnan(right))
    ahead = left[comparison, pair] > right[comparison, pair]
    winner, loser = np.where(ahead, first[pair], second[pair]), np.where(ahead, second[pair], first[pair])
    return comparison + block.start, winner, loser


def count_pairs(ratings: np.ndarray) -> tuple[int, int]:
    """Return how many pairs of rated candidates of (C, K) ratings differ, and how many are ties."""
    rated = (~np.isnan(ratings)).sum(axis=1)
    different = len(pairs_of(ratings).comparison)
    return different, int((rated * (rated - 1) // 2).sum()) - different


class UserMeans:
    """Average values over users, each counted as often as a resample holds it."""

    def __init__(self, who: np.ndarray, weights: np.ndarray) -> None:
        self.who, self.weights = who, weights
        self.counts = weights @ np.bincount(who, minlength=weights.shape[1])

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return (B,) weighted means of (P,) values."""
        sums = self.weights @ np.bincount(self.who, values, self.weights.shape[1])
        return ratio(sums, self.counts)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide elementwise, NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def weighted_auc(d: np.ndarray, who: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of pairs taken in both orders, per resample.

    Positives are the differences `d`, negatives their mirror images -d, so the area is the chance
    that d_x + d_y > 0 for two pairs x and y drawn by weight; equal differences count half.

    Args:
        d: (P,) winner's score less loser's.
        who: (P,) column of `weights` each pair belongs to.
        weights: (B, U) multiplicities.

    Returns:
        (B,) areas, NaN where all weight is zero.
    """
    out = np.full(len(weights), np.nan)
    if not len(d):
        return out
    order = np.argsort(-d, kind="stable")
    negative = -d[order]
    # Of two equal neighbours half counts: the mean of the cumulated weight below and up to d.
    below, upto = np.searchsorted(negative, d, "left"), np.searchsorted(negative, d, "right")
    # (1 + B, P) weights would not fit in memory where pairs are many.
    batch = max(1, NUMBERS_AT_ONCE // len(d))
    for start in range(0, len(weights), batch):
        weight = weights[start : start + batch, who].astype(float)
        cumulated = np.zeros((len(weight), len(d) + 1))
        np.cumsum(weight[:, order], axis=1, out=cumulated[:, 1:])
        area = (weight * (cumulated[:, below] + cumulated[:, upto])).sum(axis=1) / 2
        out[start : start + batch] = ratio(area, cumulated[:, -1] ** 2)
    return out


def mean_user_auc(d: np.ndarray, who: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B,) the mean of the users' own areas, over users with at least `LEAST_PAIRS` pairs."""
    users = np.flatnonzero(np.bincount(who, minlength=weights.shape[1]) >= LEAST_PAIRS)
    one = np.ones((1, 1))
    areas = np.array([weighted_auc(d[who == user], np.zeros((who == user).sum(), int), one)[0] for user in users])
    # Areas are computed once: a resample repeats whole users, whose own areas stay the same.
    counted = weights[:, users]
    return ratio(counted @ areas, counted.sum(axis=1))


def calibration_error(logit: np.ndarray, who: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B,) the mean gap between promised and observed wins over equal-count bins, pairs in both orders.

    Equal promises share a bin; the bins are those of all users in every resample.

    Args:
        logit: (P,) log odds promised to the winner.
        who, weights: As in `weighted_auc`.
    """
    both, won = np.concatenate([logit, -logit]), np.repeat([1.0, 0.0], len(logit))
    # "lower" gives promises that occur as edges, so that equal promises never fall into two bins.
    edges = np.quantile(both, np.arange(1, BINS) / BINS, method="lower") if len(logit) else np.zeros(0)
    bins = np.searchsorted(np.unique(edges), both, side="left")
    users, cell = weights.shape[1], np.tile(who, 2) * BINS + bins
    counts = weights @ np.bincount(cell, minlength=users * BINS).reshape(users, BINS)
    # Signed within a bin, absolute between bins: a bin is calibrated if its mean promise is.
    gaps = weights @ np.bincount(cell, expit(both) - won, users * BINS).reshape(users, BINS)
    return ratio(np.abs(gaps).sum(axis=1), counts.sum(axis=1))
