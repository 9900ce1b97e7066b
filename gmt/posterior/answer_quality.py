"""Estimate how good each model's answer to each query is for everybody, sharing what is learned between texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit

from gmt.posterior.laplace import laplace_mode
from gmt.routing.kernels import QueryKernel

SOLVE_STEPS, FIT_TOLERANCE, TOLERANCE = 400, 1e-3, 1e-8


@dataclass(frozen=True, eq=False)
class CellPrior:
    """Hold the normal prior of f, the worth of every model's answer to every query.

    cov f(q, m), f(r, n) = base · K_b(m, n) + cells · K_q(q, r) · K_m(m, n) + answer · φ(q, m)ᵀ φ(r, n).

    Args:
        queries: K_q over the G queries that were voted on.
        strengths, answers: (M, M) K_b and K_m.
        base, cells: Variances of the strength shared by all queries, and of an answer around it.
        features: (G · M, F) φ, what is known of each answer; None where answers are not described.
        answer: Variance of what each feature is worth to everybody.
    """

    queries: QueryKernel
    strengths: np.ndarray
    answers: np.ndarray
    base: float
    cells: float
    features: np.ndarray | None = None
    answer: float = 0.0

    def apply(self, weights: np.ndarray) -> np.ndarray:
        """Multiply (G · M, N) numbers, one a cell, by the prior covariance."""
        models, queries, columns = len(self.strengths), len(self.queries.keys), weights.shape[1]
        shaped = weights.reshape(queries, models, columns)
        local = self.queries.apply(shaped.reshape(queries, models * columns)).reshape(shaped.shape)
        out = self.cells * np.einsum("mk,gkn->gmn", self.answers, local, optimize=True)
        out = (out + self.base * np.tensordot(self.strengths, shaped.sum(axis=0), 1)).reshape(weights.shape)
        return out if self.features is None else out + self.answer * (self.features @ (self.features.T @ weights))


@dataclass(frozen=True, eq=False)
class CellFit:
    """Hold the posterior of f given votes: y is 1 with chance sigmoid(scale · (f_a - f_b) + offset).

    Args:
        prior: What f was before.
        design: (V, G · M) rows that take scale · (f_a - f_b).
        residual: (V,) y less its chance; with it f = prior covariance · designᵀ residual.
        curvature: (V,) chance · (1 - chance).
    """

    prior: CellPrior
    design: csr_matrix
    residual: np.ndarray
    curvature: np.ndarray

    @cached_property
    def weights(self) -> np.ndarray:
        """(G, M) weight of every cell in the posterior mean of all others."""
        return (self.design.T @ self.residual).reshape(-1, len(self.prior.strengths))

    @cached_property
    def base(self) -> np.ndarray:
        """(M,) strength of every model on a query unlike all others."""
        return self.prior.base * self.prior.strengths @ self.weights.sum(axis=0)

    @cached_property
    def _answers(self) -> np.ndarray:
        return self.prior.cells * self.weights @ self.prior.answers

    @cached_property
    def known(self) -> np.ndarray:
        """(G, M) posterior mean at the queries that were voted on."""
        out = self.base + self.prior.queries.apply(self._answers)
        return out if self.prior.features is None else out + (self.prior.features @ self.taste).reshape(out.shape)

    @cached_property
    def taste(self) -> np.ndarray:
        """(F,) what each feature of an answer is worth to everybody."""
        features = self.prior.features
        return np.zeros(0) if features is None else self.prior.answer * (features.T @ self.weights.reshape(-1))

    def differences(self, query: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (V,) posterior means of f_a - f_b at known queries."""
        return self.known[query, a] - self.known[query, b]

    def mean(self, similarity: np.ndarray) -> np.ndarray:
        """Return the (C, M) posterior mean at C queries with (C, G) similarities to the known ones.

        What the features of an answer add, φᵀ `taste`, is left to the caller, who knows the answers.
        """
        return self.base + similarity @ self._answers

    def covariance(
        self, similarity: np.ndarray, candidates: np.ndarray, features: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the (K, K) posterior covariance of one query's candidates.

        Args:
            similarity: (G,) similarities of the query to the known ones.
            candidates: (K,) model codes.
            features: (K, F) φ of the candidates, where the prior describes answers.
        """
        prior, chosen = self.prior, np.ix_(candidates, candidates)
        # (G, M, K) prior covariance of every known cell with every candidate.
        cross = prior.base * prior.strengths[:, candidates][None] + (
            prior.cells * similarity[:, None, None] * prior.answers[:, candidates][None]
        )
        own = prior.base * prior.strengths[chosen] + prior.cells * prior.answers[chosen]
        if prior.features is not None and features is not None:
            cross = cross + prior.answer * (prior.features @ features.T).reshape(cross.shape)
            own = own + prior.answer * features @ features.T
        root = np.sqrt(self.curvature)[:, None]
        seen = root * (self.design @ cross.reshape(-1, len(candidates)))
        solved = _conjugate_gradients(_precision(prior, self.design, root), seen, TOLERANCE)
        return own - seen.T @ solved


def fit_cells(
    prior: CellPrior,
    query: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> CellFit:
    """Find the most likely f given votes.

    Newton steps are solved in the space of votes by conjugate gradients; the prior covariance is
    applied as a product over queries and models, so no matrix over cells is ever formed.

    Args:
        prior: The prior of f.
        query: (V,) which known query each vote is about.
        a, b: (V,) models.
        y: (V,) 1 where a won, 0 where b did, 0.5 for a tie.
        scale, offset: (V,) as in `CellFit`; 1 and 0 by default.
    """
    count, models = len(y), len(prior.strengths)
    scale = np.ones(count) if scale is None else scale
    offset = np.zeros(count) if offset is None else offset
    rows = np.tile(np.arange(count), 2)
    cells = np.concatenate([query * models + a, query * models + b])
    shape = (count, len(prior.queries.keys) * models)
    design = csr_matrix((np.concatenate([scale, -scale]), (rows, cells)), shape=shape)

    def apply(x: np.ndarray) -> np.ndarray:
        return _spread(prior, design, x.T).T

    def solve(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
        root = np.sqrt(weight.T)
        right = root * apply(x).T
        return x - (root * _conjugate_gradients(_precision(prior, design, root), right, FIT_TOLERANCE)).T

    alpha = laplace_mode(apply, solve, y[None], offset[None], np.ones((1, count), bool))
    chance = expit(apply(alpha)[0] + offset)
    return CellFit(prior, design, alpha[0], chance * (1 - chance))


def _spread(prior: CellPrior, design: csr_matrix, x: np.ndarray) -> np.ndarray:
    """Multiply (V, N) numbers by the prior covariance of the votes' latent scores."""
    return design @ prior.apply(design.T @ x)


def _precision(prior: CellPrior, design: csr_matrix, root: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the product with I + W^½ K W^½, given (V, 1) W^½."""
    return lambda x: x + root * _spread(prior, design, root * x)


def _conjugate_gradients(apply: Callable[[np.ndarray], np.ndarray], right: np.ndarray, tolerance: float) -> np.ndarray:
    """Solve N symmetric positive definite systems at once.

    Args:
        apply: Product of the matrix with (V, N) numbers.
        right: (V, N) right-hand sides.
        tolerance: Norm of a residual, relative to its right-hand side, that is good enough.
    """
    x, rest, direction = np.zeros_like(right), right, right
    size = (rest**2).sum(axis=0)
    enough = tolerance**2 * size
    for _ in range(SOLVE_STEPS):
        if (size <= enough).all():
            break
        along = apply(direction)
        step = size / np.maximum((direction * along).sum(axis=0), 1e-300)
        x, rest = x + step * direction, rest - step * along
        before, size = size, (rest**2).sum(axis=0)
        direction = rest + size / np.maximum(before, 1e-300) * direction
    return x
