"""Find the most likely answer quality in the space of answers, whose cost of a step does not grow with the votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmt.posterior.answer_precision import AnswerPrecision, answer_curvature, shared_directions
from gmt.posterior.laplace import GAP_TOLERANCE, HALVINGS, NEWTON_STEPS
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.processes import own_share, total
from gmt.posterior.quality_prior import QualityPrior

MOST_BLOCK_NUMBERS = 40_000_000
"""Numbers (G · M²) up to which the curvature of the answers is kept, block by block."""
VOTES_AN_ANSWER = 2
"""Votes for each of the G · M answers from which on the space of answers is the smaller one."""


def answers_are_fewer(prior: QualityPrior, votes: int) -> bool:
    """Tell whether answers are so few beside the votes that f is better found in their space."""
    queries, models = len(prior.query_kernel.keys), prior.models
    return (
        prior.unit is None and votes >= VOTES_AN_ANSWER * queries * models and queries * models**2 <= MOST_BLOCK_NUMBERS
    )


@dataclass(frozen=True, eq=False)
class AnswerSpace:
    """Hold V votes and what they say of the G · M answers.

    With f = K β the mode has β = Aᵀ dℓ/dz, z = scale · (f_a - f_b) + offset. A Newton step solves
    (I + H K) Δβ = Aᵀ dℓ/dz - β, in which H = Aᵀ W A has a block of M × M for every query, since no vote is on two.
    With H = L Lᵀ that is Δβ = r - L (I + Lᵀ K L)⁻¹ Lᵀ K r, a symmetric system for conjugate gradients. Several
    processes read a share of the votes each, and add up what these say.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4.

    Args:
        prior: The prior of f.
        query, a, b: (V,) as in `fit_answer_quality`.
        outcomes: (V,) what was observed.
        scale, offset: (V,) as in `QualityFit`.
    """

    prior: QualityPrior
    query: np.ndarray
    a: np.ndarray
    b: np.ndarray
    outcomes: Outcomes
    scale: np.ndarray
    offset: np.ndarray

    @property
    def queries(self) -> int:
        """Return G."""
        return len(self.prior.query_kernel.keys)

    def mode(self, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the (V,) dℓ/dz and the (V,) W = -d²ℓ/dz² at the mode.

        Args:
            start: (G, M) β to begin from, 0 by default.
        """
        share = own_share(len(self.query))
        names = ("query", "a", "b", "outcomes", "scale", "offset")
        own = replace(self, **{name: getattr(self, name)[share] for name in names})
        latent = own._mode(np.zeros(self.queries * self.prior.models) if start is None else start.reshape(-1))
        found = np.zeros((2, len(self.query)))
        found[0, share], found[1, share] = own.outcomes.residual(latent), own.outcomes.curvature(latent)
        found = total(found)
        return found[0], found[1]

    def _mode(self, beta: np.ndarray) -> np.ndarray:
        """Return the (V,) latent scores of this process's votes at the mode of all."""
        quality, shared = self.prior.apply(beta[:, None])[:, 0], shared_directions(self.prior)
        latent = self._latent(quality) + self.offset
        reached = self._log_posterior(latent, beta, quality)
        for _ in range(NEWTON_STEPS):
            # 1. Sums over votes come from all processes; what follows each does alike.
            gap = total(self._gathered(self.outcomes.residual(latent))) - beta
            # Where an answer has a thousand votes, rounding is a thousand times that of one.
            if np.abs(gap).max(initial=0.0) < GAP_TOLERANCE * max(1.0, len(self.query) / len(beta)):
                break
            step = AnswerPrecision(self.prior, total(self._curvature(latent)), shared).step(gap)
            # 2. K Δβ is computed once, so that halving a step costs no product.
            along = self.prior.apply(step[:, None])[:, 0]
            moved, size = self._latent(along), 1.0
            for _ in range(HALVINGS):
                after = self._log_posterior(latent + size * moved, beta + size * step, quality + size * along)
                if after >= reached - 1e-9 * abs(reached):
                    break
                size /= 2
            beta, quality, latent = beta + size * step, quality + size * along, latent + size * moved
            reached = self._log_posterior(latent, beta, quality)
        return latent

    def _log_posterior(self, latent: np.ndarray, beta: np.ndarray, quality: np.ndarray) -> float:
        likely = float(total(np.array([self.outcomes.log_likelihood(latent).sum()]))[0])
        return likely - float(beta @ quality) / 2

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """(V,) and (V,) which of the G · M answers each vote is on; twice the same where one alone was judged."""
        first = self.query * self.prior.models
        return first + self.a, first + np.where(self.b < 0, self.a, self.b)

    @cached_property
    def _second(self) -> np.ndarray:
        """(V,) factor of the second answer, 0 where there is none."""
        return np.where(self.b < 0, 0.0, self.scale)

    def _latent(self, quality: np.ndarray) -> np.ndarray:
        left, right = self._places
        return self.scale * quality[left] - self._second * quality[right]

    def _gathered(self, values: np.ndarray) -> np.ndarray:
        """Return (G · M,) Aᵀ times (V,) numbers."""
        (left, right), size = self._places, self.queries * self.prior.models
        return np.bincount(left, self.scale * values, size) - np.bincount(right, self._second * values, size)

    def _curvature(self, latent: np.ndarray) -> np.ndarray:
        """Return (G, M, M) H at (V,) latent scores."""
        shape = self.queries, self.prior.models
        return answer_curvature(self._places, (self.scale, self._second), self.outcomes.curvature(latent), shape)
