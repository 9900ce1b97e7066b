"""Solve with the precision of answer quality, which has a block for every query, beside its prior."""

from __future__ import annotations

import numpy as np

from gmt.posterior.block_low_rank import BlockLowRank
from gmt.posterior.conjugate_gradients import conjugate_gradients
from gmt.posterior.quality_prior import QualityPrior
from gmt.routing.kernels import QUERY_COMPONENTS, SAME_TASK

STEP_TOLERANCE = 1e-4
"""Of the solves within Newton steps, which need only point the right way."""
EXACT_TOLERANCE = 1e-8
"""Of the solves whose result is used itself."""
MOST_SHARED, SHARED_NUMBERS = 256, 50_000_000
"""Columns, and numbers, that the preconditioner spends on what answers to different queries share."""


class AnswerPrecision:
    """Hold S = I + Lᵀ K L with H = L Lᵀ what votes say of G · M answers, and K their prior covariance.

    The preconditioner solves the largest parts of K exactly: what a query has of its own, and as many directions as
    fit of what all queries share.

    Args:
        prior: The prior of f.
        curvature: (G, M, M) H = Aᵀ W A, a block for every query.
        shared: What `shared_directions` says of the prior.
    """

    def __init__(self, prior: QualityPrior, curvature: np.ndarray, shared: np.ndarray) -> None:
        size, basis = np.linalg.eigh(curvature)
        # H is positive semidefinite; what rounding puts below 0 is 0.
        self.prior, self._root = prior, basis * np.sqrt(np.maximum(size, 0.0))[:, None, :]
        self._back = self._root.swapaxes(1, 2)
        local = prior.query_kernel.parts(np.arange(len(curvature)))[0] * prior.quality_variance
        blocks = self._back @ (local[:, None, None] * prior.answer_kernel) @ self._root
        index = np.arange(len(shared)).reshape(size.shape)
        self._near = BlockLowRank([(index, blocks)], _over(self._back, shared))

    def step(self, gap: np.ndarray) -> np.ndarray:
        """Return (G · M,) Δβ of a Newton step, (I + H K) Δβ = r: r - L S⁻¹ Lᵀ K r."""
        solved = self._solved(_over(self._back, self.prior.apply(gap[:, None])), STEP_TOLERANCE)
        return gap - _over(self._root, solved)[:, 0]

    def learned(self, cross: np.ndarray) -> np.ndarray:
        """Return (K, K) what votes take off the variance of K targets: Cᵀ L S⁻¹ Lᵀ C.

        Args:
            cross: (G · M, K) C, the prior covariance of all answers with the targets.
        """
        seen = _over(self._back, cross)
        return seen.T @ self._solved(seen, EXACT_TOLERANCE)

    def _solved(self, right: np.ndarray, tolerance: float) -> np.ndarray:
        def product(x: np.ndarray) -> np.ndarray:
            return x + _over(self._back, self.prior.apply(_over(self._root, x)))

        return conjugate_gradients(product, right, tolerance, self._near.solve)


def answer_curvature(
    places: tuple[np.ndarray, np.ndarray],
    factors: tuple[np.ndarray, np.ndarray],
    weight: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """Return (G, M, M) H = Aᵀ W A.

    Args:
        places: (V,) and (V,) codes q · M + m of the two answers of each vote.
        factors: (V,) and (V,) what their qualities are multiplied by.
        weight: (V,) W.
        shape: G and M.
    """
    (left, right), (first, second), (queries, models) = places, factors, shape
    answers = queries * models
    # Entry (a, b) of the block of a vote's query, then its mirror image.
    mixed = np.bincount(left * models + right % models, -weight * first * second, answers * models)
    mixed = mixed.reshape(queries, models, models)
    out, own = mixed + mixed.swapaxes(1, 2), np.arange(models)
    diagonal = np.bincount(left, weight * first**2, answers) + np.bincount(right, weight * second**2, answers)
    out[:, own, own] += diagonal.reshape(queries, models)
    return out


def shared_directions(prior: QualityPrior) -> np.ndarray:
    """Return (G · M, R) a root of what answers to different queries share: strengths, features, main axes of texts."""
    queries, models = len(prior.query_kernel.keys), prior.models
    shared, task = prior.query_kernel.parts(np.arange(queries))[1:]
    strength, answer = _root(prior.strength_variance * prior.strength_kernel), _root(prior.answer_kernel)
    parts = [np.tile(strength, (queries, 1))]
    if prior.features is not None:
        parts.append(np.sqrt(prior.answer_variance) * prior.features)
    # What a query weighs on each shared direction of queries: the floor, its task, the axes of the texts.
    size, basis = np.linalg.eigh(shared[:, 1:].T @ shared[:, 1:])
    axes = basis[:, np.argsort(-size)[:QUERY_COMPONENTS]]
    tasks = np.sqrt(SAME_TASK) * (task[:, None] == np.unique(task[task >= 0]))
    weights = np.concatenate([shared[:, :1], tasks, shared[:, 1:] @ axes], axis=1)
    budget = min(MOST_SHARED, SHARED_NUMBERS // max(queries * models, 1))
    kept = max(1, (budget - sum(part.shape[1] for part in parts)) // models)
    weights = np.sqrt(prior.quality_variance) * weights[:, :kept]
    parts.append((weights[:, None, :, None] * answer[None, :, None, :]).reshape(len(parts[0]), -1))
    return np.concatenate(parts, axis=1)


def _over(blocks: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Multiply (G · M, N) numbers by (G, M, M) blocks."""
    return (blocks @ x.reshape(*blocks.shape[:2], -1)).reshape(x.shape)


def _root(matrix: np.ndarray) -> np.ndarray:
    """Return R of which R Rᵀ is a symmetric positive semidefinite matrix."""
    size, basis = np.linalg.eigh(matrix)
    return basis * np.sqrt(np.maximum(size, 0.0))
