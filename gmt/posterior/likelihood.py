"""State how likely outcomes are given latent scores, with the two derivatives that Newton steps need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_expit


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Hold outcomes of one shape (…), each a Bernoulli outcome or an interval of an ordered scale.

    With z the latent score, c a threshold and s(x) = 1 / (1 + e^-x):
    - a Bernoulli outcome y of threshold c has ℓ = y (z - c) - log(1 + e^(z - c)); a vote has c = 0, a tie y = ½;
    - an ordered one, of which z plus logistic noise fell between `lower` and `upper`, has
      ℓ = log(s(upper - z) - s(lower - z)).
    `weight` multiplies ℓ and both derivatives.

    Source: Bradley and Terry (1952) for votes; McCullagh, Regression models for ordinal data (1980), for proportional
    odds; Agresti, Analysis of ordinal paired comparison data (1992), for intervals of a difference.

    Args:
        y: (…) outcomes in [0, 1]; of an interval not read.
        lower, upper: (…) ends of the intervals, -inf and inf where open; equal where the outcome is Bernoulli, whose
            threshold they then are. None where all are votes.
        weight: (…) how much each outcome counts; None: all 1.
    """

    y: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: Any) -> Outcomes:
        """Return the outcomes at an index, in whatever shape it gives."""
        beside = (None if part is None else part[index] for part in (self.lower, self.upper, self.weight))
        return Outcomes(self.y[index], *beside)

    def inserted(self, places: np.ndarray, other: Outcomes) -> Outcomes:
        """Return (V,) outcomes with other ones before `places`."""
        whole: dict[str, np.ndarray | None] = {"y": np.insert(self.y, places, other.y)}
        # What neither side states stays unstated, so that votes alone are summed as votes.
        for name, usual in (("lower", 0.0), ("upper", 0.0), ("weight", 1.0)):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None or theirs is not None:
                mine = np.full(len(self), usual) if mine is None else mine
                whole[name] = np.insert(mine, places, usual if theirs is None else theirs)
        return Outcomes(**whole)  # pyright: ignore[reportArgumentType]

    def log_likelihood(self, z: np.ndarray) -> np.ndarray:
        """Return (…) ℓ at latent scores."""
        if self.lower is None or self.upper is None:
            return self._weighted(self.y * z - np.logaddexp(0, z))
        exact = self.lower == self.upper
        moved = z - np.where(exact, self.lower, 0.0)
        # s(u - z) - s(l - z) = (1 - e^(l - u)) s(u - z) s(z - l), which loses no digits far from the interval.
        with np.errstate(divide="ignore"):
            width = np.log1p(-np.exp(self.lower - self.upper, where=~exact, out=np.zeros_like(z)))
        between = width + log_expit(self.upper - z) + log_expit(z - self.lower)
        return self._weighted(np.where(exact, self.y * moved - np.logaddexp(0, moved), between))

    def residual(self, z: np.ndarray) -> np.ndarray:
        """Return (…) dℓ/dz: y - p of a vote."""
        if self.lower is None or self.upper is None:
            return self._weighted(self.y - expit(z))
        low, high = expit(self.lower - z), expit(self.upper - z)
        # Where all are intervals, as votes with tie widths are, nothing else needs an exponential.
        if not (self.lower == self.upper).any():
            return self._weighted(high + low - 1)
        # s(z - c) is 1 - s(c - z), so a Bernoulli outcome needs no other exponential.
        exact = self.y - expit(z - np.where(self.lower == self.upper, self.lower, 0.0))
        return self._weighted(np.where(self.lower == self.upper, exact, high + low - 1))

    def curvature(self, z: np.ndarray) -> np.ndarray:
        """Return (…) -d²ℓ/dz²: p (1 - p) of a vote."""
        if self.lower is None or self.upper is None:
            chance = expit(z)
            return self._weighted(chance * (1 - chance))
        low, high = expit(self.lower - z), expit(self.upper - z)
        one = high * (1 - high)
        # Both ends of a Bernoulli outcome are one threshold, which counts once.
        return self._weighted(np.where(self.lower == self.upper, one, one + low * (1 - low)))

    def _weighted(self, values: np.ndarray) -> np.ndarray:
        return values if self.weight is None else self.weight * values
