"""Hold what answer quality f(q, m) is before any vote, sharing strength between queries and models by their texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.posterior.model_covariance import MatrixCovariance, ModelCovariance, TextCovariance
from gmt.posterior.vote_kernel import QueryTerm, VoteKernel, signed
from gmt.routing.kernels import ANSWER_CONSTANT, ANSWER_SHARES, STRENGTH_SHARES, QueryKernel


@dataclass(frozen=True, eq=False)
class QualityPrior:
    """Hold the normal prior of answer quality f over G queries and M models.

    f ~ N(0, s_b 11ᵀ ⊗ K_b + s_c K_q ⊗ K_m + s_φ φ φᵀ), that is
    cov(f(q, m), f(r, n)) = s_b K_b(m, n) + s_c K_q(q, r) K_m(m, n) + s_φ φ(q, m)ᵀ φ(r, n).

    Args:
        query_kernel: K_q over the G queries that were voted on.
        strength_kernel, answer_kernel: (M, M) K_b and K_m.
        strength_variance, quality_variance: s_b of the strength shared by all queries, s_c of an answer around it.
        features: (G · M, F) φ, what is known of each answer; None where answers are not described.
        answer_variance: s_φ of what each feature adds to the quality.
        unit: (M, D) unit vectors of the models' texts where models are so many that products go through them.
        lone: Whether answers were judged alone too, so that what all models share counts.
    """

    query_kernel: QueryKernel
    strength_kernel: np.ndarray
    answer_kernel: np.ndarray
    strength_variance: float
    quality_variance: float
    features: np.ndarray | None = None
    answer_variance: float = 0.0
    unit: np.ndarray | None = None
    lone: bool = False

    @property
    def models(self) -> int:
        """Return M."""
        return len(self.strength_kernel)

    def kernel(self, query: np.ndarray, a: np.ndarray, b: np.ndarray, scale: np.ndarray | None = None) -> VoteKernel:
        """Return the prior covariance of scale · (f_a - f_b) among (V,) votes, as products; b of -1 is no answer."""
        strength, answer = self._model_covariances
        term = QueryTerm(self.query_kernel, query, a, b, answer, self.models, scale)
        groups: tuple[np.ndarray, ...] = ()
        if self.features is not None:
            second = self.features[query * self.models + np.maximum(b, 0)]
            gap = self.features[query * self.models + a] - np.where((b < 0)[:, None], 0.0, second)
            groups = (gap if scale is None else gap * scale[:, None],)
        # `VoteKernel` multiplies the query term by both of its scales, hence the ratio.
        scales = self.strength_variance, self.quality_variance / self.strength_variance
        return VoteKernel(signed(a, b, self.models, scale), strength, term, groups, scales, (self.answer_variance,))

    @property
    def _model_covariances(self) -> tuple[ModelCovariance, ModelCovariance]:
        """Return K_b and K_m; where all are differences of two models, without what all models share."""
        if self.unit is None:
            return MatrixCovariance(self.strength_kernel), MatrixCovariance(self.answer_kernel)
        constant = ANSWER_CONSTANT if self.lone else 0.0
        return TextCovariance(*STRENGTH_SHARES, self.unit), TextCovariance(*ANSWER_SHARES, self.unit, constant)

    def apply(self, weights: np.ndarray) -> np.ndarray:
        """Multiply (G · M, N) numbers, one for each answer, by the prior covariance."""
        models, queries, columns = len(self.strength_kernel), len(self.query_kernel.keys), weights.shape[1]
        shaped = weights.reshape(queries, models, columns)
        # A Kronecker product is applied one factor after the other, first over queries, then over models.
        local = self.query_kernel.apply(shaped.reshape(queries, models * columns)).reshape(shaped.shape)
        out = self.quality_variance * np.einsum("mk,gkn->gmn", self.answer_kernel, local, optimize=True)
        # A strength is the same on every query, so the weights of all queries are added up before K_b sees them.
        shared = self.strength_variance * np.tensordot(self.strength_kernel, shaped.sum(axis=0), 1)
        out = (out + shared).reshape(weights.shape)
        if self.features is None:
            return out
        return out + self.answer_variance * (self.features @ (self.features.T @ weights))
