"""Give metrics bootstrap intervals over users, and differences between routers paired ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

DRAWS = 1000
LEAST_USERS = 5
"""Users below which resampling them says next to nothing, so that no interval is reported."""


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

    def to_json(self, with_ends: bool = True) -> dict[str, float | None]:
        """Return the numbers by name; without ends, where there are too few users for them, those are None."""
        low, high = (self.low, self.high) if with_ends else (None, None)
        return {"value": self.value, "low": low, "high": high}


@dataclass(frozen=True, eq=False)
class Estimates:
    """Hold every router's metrics under the same resamples of the users.

    Args:
        samples: Router -> metric -> (1 + B,) values; the first is that of all users, once each.
        users: How many users there are.
        covered: Metric -> how many of them it is computed from; a metric that is not named covers all.
    """

    samples: Mapping[str, Mapping[str, np.ndarray]]
    users: int = LEAST_USERS
    covered: Mapping[str, int] = field(default_factory=dict)

    def users_of(self, metric: str) -> int:
        """Return how many users a metric is computed from."""
        return self.covered.get(metric, self.users)

    def has_ends(self, metric: str) -> bool:
        """Tell whether there are users enough for an interval of a metric."""
        return self.users_of(metric) >= LEAST_USERS

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
        # Resample by resample: what hard users cost both routers cancels, which makes the interval narrower.
        return None if ours is None or theirs is None else _interval(ours - theirs)


def _interval(samples: np.ndarray | None) -> Interval | None:
    if samples is None or not np.isfinite(samples[0]):
        return None
    drawn = samples[1:][np.isfinite(samples[1:])]
    # Resamples that hold nothing to compute the metric from are left out.
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (samples[0], samples[0])
    # Resampling biases some metrics, such as calibration error, away from the value itself; the interval holds both.
    return Interval(float(samples[0]), float(min(low, samples[0])), float(max(high, samples[0])))


def resamples(users: Sequence[np.ndarray], seed: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (U,) sorted names of all users, and (1 + B, U) how often each stands in each resample."""
    # Sorted names, so that a seed draws the same users in whatever order blocks come.
    names = np.unique(np.concatenate([part.astype(str) for part in users] or [np.zeros(0, str)]))
    rng, count = np.random.default_rng(seed), len(names)
    # Row 0 counts every user once: the value itself is computed by the same code as its resamples.
    weights = np.ones((1 + draws, count), dtype=np.float32)
    for draw in range(draws if count else 0):
        weights[1 + draw] = np.bincount(rng.integers(count, size=count), minlength=count)
    return names, weights
