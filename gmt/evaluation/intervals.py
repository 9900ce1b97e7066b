"""Estimate every router's metrics, and their differences, with bootstrap intervals over users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmt.errors import DataError
from gmt.evaluation.metrics import UserMeans, calibration_error, mean_user_auc, pairs_of, ratio, weighted_auc
from gmt.routing.pairwise import choices

METRICS = ("accuracy", "auc", "user_auc", "log_loss", "calibration_error", "reward", "regret")
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold a value with its 95 % bootstrap interval over users."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Say whether a difference is better or worse beyond doubt."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, eq=False)
class Block:
    """Hold one router's answers to one set of questions: one draw of a protocol, one seed.

    Args:
        users: (C,) names of the people who asked.
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
                "score every candidate of every comparison asked"
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
        asker = np.searchsorted(names, self.users)
        pairs = pairs_of(self.ratings)
        who, d = asker[pairs.comparison], pairs.differences(self.scores)
        groups = UserMeans(who, weights)
        out = {
            "accuracy": groups.mean((1 + np.sign(d)) / 2),
            "auc": weighted_auc(d, who, weights),
            "user_auc": mean_user_auc(d, who, weights),
        }
        if self.temperature is not None:
            logit = d / self.temperature
            out["log_loss"] = groups.mean(np.logaddexp(0, -logit))
            out["calibration_error"] = calibration_error(logit, who, weights)
        reward, best, asked = choices(self.scores, self.ratings)
        chosen = UserMeans(asker[asked], weights)
        low, high = self.scale
        out["reward"] = low + (high - low) * chosen.mean(reward)
        out["regret"] = (high - low) * chosen.mean(best - reward)
        return out


@dataclass(frozen=True, eq=False)
class Estimates:
    """Hold every router's metrics under the same resamples of the users.

    Args:
        samples: Router -> metric -> (1 + B,) values; the first is that of all users, once each.
    """

    samples: Mapping[str, Mapping[str, np.ndarray]]

    def interval(self, router: str, metric: str) -> Interval | None:
        """Return a router's metric, None where it cannot be computed."""
        return _interval(self.samples[router].get(metric))

    def error(self, router: str, metric: str) -> float | None:
        """Return the standard error of a router's metric over resamples of the users, None where it has none."""
        found = self.samples[router].get(metric)
        drawn = np.zeros(0) if found is None else found[1:][np.isfinite(found[1:])]
        return float(drawn.std()) if len(drawn) else None

    def difference(self, router: str, rival: str, metric: str) -> Interval | None:
        """Return `router` less `rival`, resample by resample; None where either is missing."""
        ours, theirs = self.samples[router].get(metric), self.samples[rival].get(metric)
        return None if ours is None or theirs is None else _interval(ours - theirs)


def _interval(samples: np.ndarray | None) -> Interval | None:
    if samples is None or not np.isfinite(samples[0]):
        return None
    drawn = samples[1:][np.isfinite(samples[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (samples[0], samples[0])
    # Resampling biases some metrics, such as calibration error, away from the value itself; the interval holds both.
    return Interval(float(samples[0]), float(min(low, samples[0])), float(max(high, samples[0])))


def bootstrap(blocks: Mapping[str, Sequence[Block]], seed: int = 0, draws: int = DRAWS) -> Estimates:
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
    names, weights = _resamples([block.users for block in every], seed, draws)
    samples = {}
    for router, several in blocks.items():
        measured = [block.measure(names, weights) for block in several]
        shared = [metric for metric in METRICS if measured and all(metric in values for values in measured)]
        samples[router] = {metric: _mean([values[metric] for values in measured]) for metric in shared}
    return Estimates(samples)


@dataclass(frozen=True, eq=False)
class Share:
    """Hold a metric that is one sum over C questions divided by another.

    Args:
        users: (C,) names of the people who asked.
        above, below: (C,) what each question adds to the two sums; `below` is 0 or more.
    """

    users: np.ndarray
    above: np.ndarray
    below: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Share]) -> Share:
        """Pool the questions of several shares."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "above", "below")))


def bootstrap_shares(shares: Mapping[str, Mapping[str, Share]], seed: int = 0, draws: int = DRAWS) -> Estimates:
    """Measure shares on the same resamples of users, so that their differences are paired.

    Args:
        shares: Router -> metric -> its share.
        seed: Chooses the resamples.
        draws: B, how many resamples.
    """
    every = [share.users for metrics in shares.values() for share in metrics.values()]
    names, weights = _resamples(every, seed, draws)

    def measure(share: Share) -> np.ndarray:
        asker = np.searchsorted(names, share.users.astype(str))
        sums = [weights @ np.bincount(asker, part, len(names)) for part in (share.above, share.below)]
        return ratio(sums[0], sums[1])

    return Estimates({name: {metric: measure(share) for metric, share in own.items()} for name, own in shares.items()})


def _resamples(users: Sequence[np.ndarray], seed: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (U,) sorted names of all users, and (1 + B, U) how often each stands in each resample."""
    names = np.unique(np.concatenate([part.astype(str) for part in users] or [np.zeros(0, str)]))
    rng, count = np.random.default_rng(seed), len(names)
    weights = np.ones((1 + draws, count), dtype=np.float32)
    for draw in range(draws if count else 0):
        weights[1 + draw] = np.bincount(rng.integers(count, size=count), minlength=count)
    return names, weights


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    """Average over blocks, leaving out those that are NaN."""
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0))
