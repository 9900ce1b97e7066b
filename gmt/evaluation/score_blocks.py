"""Measure one router's scores of one set of targets, and bootstrap several routers together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmt.errors import DataError
from gmt.evaluation.intervals import DRAWS, Estimates, resamples
from gmt.evaluation.lone_metrics import LEAST_RATINGS, LoneScores
from gmt.evaluation.metrics import (
    LEAST_PAIRS,
    UserMeans,
    calibration_error,
    mean_user_auc,
    pairs_of,
    ratio,
    weighted_auc,
)
from gmt.routing.pairwise import choices

METRICS = (
    "accuracy",
    "auc",
    "user_auc",
    "log_loss",
    "calibration_error",
    "reward",
    "regret",
    "lone_auc",
    "rank_correlation",
)


@dataclass(frozen=True, eq=False)
class ScoreBlock:
    """Hold one router's scores of one set of targets: one draw of a protocol, one seed.

    Args:
        users: (C,) names of the users.
        scores: (C, K) scores; values where nothing is rated are not read.
        ratings: (C, K) ratings, NaN where unrated or padded.
        temperature: What score differences are divided by for win probabilities; None if unknown.
        scale: The rewards that ratings 0 and 1 stand for.
    """

    users: np.ndarray
    scores: np.ndarray
    ratings: np.ndarray
    temperature: float | None = None
    scale: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.scores.shape != self.ratings.shape or len(self.users) != len(self.ratings):
            raise DataError(
                f"{len(self.users)} users, scores {self.scores.shape} and ratings {self.ratings.shape} do not align; "
                "score every candidate of every target"
            )
        if not np.isfinite(self.scores[~np.isnan(self.ratings)]).all():
            raise DataError("a rated candidate has no finite score; a router scores every candidate it is shown")

    def measure(self, names: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Compute every metric under each resample of the users.

        Args:
            names: (U,) sorted names of the users that `weights` counts.
            weights: (B, U) how often each user stands in each resample.

        Returns:
            Metric -> (B,) values, NaN where a resample holds nothing to compute it from.
        """
        user = np.searchsorted(names, self.users)
        pairs = pairs_of(self.ratings)
        who, d = user[pairs.comparison], pairs.differences(self.scores)
        groups = UserMeans(who, weights)
        out = {
            # Equal scores are right by half, as ties are in AUC: no order of candidates may help.
            "accuracy": groups.mean((1 + np.sign(d)) / 2),
            "auc": weighted_auc(d, who, weights),
            "user_auc": mean_user_auc(d, who, weights),
        }
        if self.temperature is not None:
            logit = d / self.temperature
            # -log sigmoid(logit), written so that a large logit neither overflows nor gives log 0.
            out["log_loss"] = groups.mean(np.logaddexp(0, -logit))
            out["calibration_error"] = calibration_error(logit, who, weights)
        reward, best, rated = choices(self.scores, self.ratings)
        chosen = UserMeans(user[rated], weights)
        low, high = self.scale
        out["reward"] = low + (high - low) * chosen.mean(reward)
        out["regret"] = (high - low) * chosen.mean(best - reward)
        return out | LoneScores.of(self.scores, self.ratings, user).metrics(weights)


def bootstrap(blocks: Mapping[str, Sequence[ScoreBlock]], seed: int = 0, draws: int = DRAWS) -> Estimates:
    """Measure routers on the same resamples of users, so that their differences are paired.

    A router's blocks are the draws of a protocol, the seeds of several runs, or both. Users are
    joined by name across blocks; in each resample the metric is averaged over the blocks that hold
    anybody drawn.

    Args:
        blocks: Router -> its blocks.
        seed: Chooses the resamples.
        draws: B, how many resamples.
    """
    every = [block for several in blocks.values() for block in several]
    names, weights = resamples([block.users for block in every], seed, draws)
    samples = {}
    for router, several in blocks.items():
        measured = [block.measure(names, weights) for block in several]
        # A metric that some block lacks, as log loss without a temperature, would be a mean over fewer targets.
        shared = [metric for metric in METRICS if measured and all(metric in values for values in measured)]
        samples[router] = {metric: _mean([values[metric] for values in measured]) for metric in shared}
    # Ratings are the same for all routers, so the blocks of the first count for all.
    return Estimates(samples, len(names), covered_users(next(iter(blocks.values()), ())))


def covered_users(blocks: Sequence[ScoreBlock]) -> dict[str, int]:
    """Count for each metric the users who have, in some block of a router, what it is computed from.

    Pairs for accuracy, AUC and what is promised of a win; `LEAST_PAIRS` of them for an AUC of one's own; any rating for
    the reward; lone ratings that differ for their AUC, and `LEAST_RATINGS` of them for a correlation.
    """
    found: dict[str, set[str]] = {metric: set() for metric in METRICS}

    def add(users: np.ndarray, *metrics: str) -> None:
        for metric in metrics:
            found[metric].update(users.tolist())

    for block in blocks:
        names, user = np.unique(block.users, return_inverse=True)
        of_pairs, counts = np.unique(block.users[pairs_of(block.ratings).comparison], return_counts=True)
        add(of_pairs, "accuracy", "auc", "log_loss", "calibration_error")
        add(of_pairs[counts >= LEAST_PAIRS], "user_auc")
        add(block.users[(~np.isnan(block.ratings)).any(axis=1)], "reward", "regret")
        lone = LoneScores.of(block.scores, block.ratings, user.reshape(-1))
        add(names[lone.ordered_users()], "lone_auc")
        add(names[lone.ordered_users(LEAST_RATINGS)], "rank_correlation")
    return {metric: len(users) for metric, users in found.items()}


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    """Average over blocks, leaving out those that are NaN."""
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0))
