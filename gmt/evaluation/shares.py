"""Bootstrap metrics that are one sum over questions divided by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmt.evaluation.intervals import DRAWS, Estimates, resamples
from gmt.evaluation.metrics import ratio


@dataclass(frozen=True, eq=False)
class Share:
    """Hold a metric that is one sum over C questions divided by another.

    Args:
        users: (C,) names of the users.
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
    # Users of all routers and metrics together: only the same resamples make differences paired.
    every = [share.users for metrics in shares.values() for share in metrics.values()]
    names, weights = resamples(every, seed, draws)

    def measure(share: Share) -> np.ndarray:
        user = np.searchsorted(names, share.users.astype(str))
        # Summed within users first, for a resample weighs whole users: B × U numbers and not B × C.
        sums = [weights @ np.bincount(user, part, len(names)) for part in (share.above, share.below)]
        return ratio(sums[0], sums[1])

    return Estimates({name: {metric: measure(share) for metric, share in own.items()} for name, own in shares.items()})
