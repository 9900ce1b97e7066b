"""Multiply by the kernel between many votes without forming it, so that its cost grows with the votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from gmt.data.user_nodes import within
from gmt.posterior.conjugate_gradients import conjugate_gradients
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.model_covariance import ModelCovariance
from gmt.routing.kernels import SAME_TASK, TEXT, TEXT_FLOOR, QueryKernel

FEW_VOTES = 64
"""Votes on one query up to which its own part of the kernel is kept pair by pair."""
LEAST_CURVATURE = 1e-4
"""Least p (1 - p) of a vote within a Newton step."""
STEP_TOLERANCE = 1e-3
"""Of the solves within Newton steps, which need only point the right way."""
EXACT_TOLERANCE = 1e-8
"""Of the solves whose result is used itself."""


class QueryTerm:
    """Multiply by the (T, T) kernel δ_iᵀ C δ_j · K_q(q_i, q_j) between votes, δ = scale · (e_a - e_b).

    K_q is a sum of what only one query has, what queries of one task share, and a product of few coordinates; each is
    applied by its own form. Where K_q is kept as a matrix it is applied to the G queries voted on instead.

    Args:
        queries: K_q.
        query, a, b: (T,) codes of the votes.
        own: C.
        models: M.
        scale: (T,) factor of each vote, 1 by default.
    """

    def __init__(
        self,
        queries: QueryKernel,
        query: np.ndarray,
        a: np.ndarray,
        b: np.ndarray,
        own: ModelCovariance,
        models: int,
        scale: np.ndarray | None = None,
    ) -> None:
        codes, at = np.unique(query, return_inverse=True)
        self.own, self.models = own, models
        scale = np.ones(len(query)) if scale is None else scale
        self.differences = signed(a, b, models, scale)
        self.dense = queries.dense(codes)
        if self.dense is not None:
            self.answers = signed(at * models + a, at * models + b, len(codes) * models, scale)
            return
        # Where K_q is not kept as a matrix, its three parts are applied each in its own form.
        only, self.shared, task = queries.parts(query)
        # 1. Votes on one query meet in its own part: pair by pair where they are few, else through its M answers.
        often = np.bincount(at) > FEW_VOTES
        rare, query_group = np.flatnonzero(~often[at]), np.where(often[at], at, -1)
        self.alone = self._pairs(rare, at, a, b, only, scale)
        # 2. So do votes on one task.
        # Square roots, for the weight meets itself: once on the way to the answers, once on the way back.
        groups = ((query_group, scale * np.sqrt(only)), (task, scale * np.sqrt(SAME_TASK)))
        self.grouped = [self._through_answers(group, a, b, weight) for group, weight in groups if (group >= 0).any()]

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Multiply (T, N) numbers."""
        if self.dense is not None:
            # A Kronecker product, one factor after the other: over queries, then over models.
            near = self.dense @ (self.answers.T @ x).reshape(len(self.dense), -1)
            return self.answers @ self._over_models(near.reshape(len(self.dense), self.models, -1))
        out = self.alone @ x
        # Column by column, so that only (M, R + 1) numbers are held between.
        for column in range(x.shape[1]):
            gathered = self.own.times(self.differences.T @ (self.shared * x[:, column, None]))  # (M, R + 1)
            out[:, column] += (self.shared * (self.differences @ gathered)).sum(axis=1)
        for answers in self.grouped:
            out += answers @ self._over_models((answers.T @ x).reshape(-1, self.models, x.shape[1]))
        return out

    def _over_models(self, shaped: np.ndarray) -> np.ndarray:
        """Multiply (G, M, N) weights by C, and lay them out as (G · M, N)."""
        groups, models, columns = shaped.shape
        wide = shaped.transpose(1, 0, 2).reshape(models, groups * columns)
        return self.own.times(wide).reshape(models, groups, columns).transpose(1, 0, 2).reshape(-1, columns)

    def _through_answers(self, group: np.ndarray, a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> csr_matrix:
        """Return (T, groups · M) rows weight · (e_a - e_b) in the block of each vote's group, 0 where that is -1."""
        codes, at = np.unique(group, return_inverse=True)
        at = at * self.models
        return signed(at + a, at + b, len(codes) * self.models, np.where(group >= 0, weight, 0.0))

    def _pairs(
        self, rows: np.ndarray, at: np.ndarray, a: np.ndarray, b: np.ndarray, only: np.ndarray, scale: np.ndarray
    ) -> csr_matrix:
        """Return the sparse (T, T) own part of K_q times δᵀ C δ among the votes at `rows` that are on one query."""
        order = rows[np.argsort(at[rows], kind="stable")]
        sizes = np.bincount(at[rows], minlength=int(at.max(initial=-1)) + 1)
        each = sizes[at[order]]
        first = (np.cumsum(sizes) - sizes)[at[order]]
        # Every vote is paired with all on its query, itself too, which gives the diagonal.
        left, right = np.repeat(order, each), order[np.repeat(first, each) + within(each)]
        # δᵀ C δ' has four entries of C, read one by one.
        values = self.own.at(a[left], a[right]) - self.own.at(b[left], a[right])
        values = values - (self.own.at(a[left], b[right]) - self.own.at(b[left], b[right]))
        values *= only[left] * scale[left] * scale[right]
        return csr_matrix((values, (left, right)), shape=(len(at), len(at)))


class Term(Protocol):
    """Multiply by one more term of the kernel between T votes."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Multiply (T, N) numbers."""
        ...


@dataclass(frozen=True, eq=False)
class VoteKernel:
    """Hold the kernel s · (X S Xᵀ + g · query term + g_c · conversation term) + Σ_g a_g · φ φᵀ between T votes.

    Args:
        design: (T, P) sparse X.
        covariance: S.
        query: The query-conditioned term.
        features: φ (T, F) of each group.
        scales: s and g.
        variances: a, one for each group; groups beyond them are left out.
        conversation: The term of votes of one conversation, where there is one.
        conversation_scale: g_c.
    """

    design: csr_matrix
    covariance: ModelCovariance
    query: QueryTerm
    features: tuple[np.ndarray, ...]
    scales: tuple[float, float]
    variances: tuple[float, ...]
    conversation: Term | None = None
    conversation_scale: float = 0.0

    def under(
        self, scales: tuple[float, float], variances: tuple[float, ...], conversation_scale: float = 0.0
    ) -> VoteKernel:
        """Return the same terms with other amplitudes."""
        return replace(self, scales=scales, variances=variances, conversation_scale=conversation_scale)

    @cached_property
    def _transposed(self) -> csr_matrix:
        return self.design.T.tocsr()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Multiply (T, N) numbers by the kernel."""
        prior, query = self.scales
        out = self.design @ self.covariance.times(self._transposed @ x)
        if query:
            out += query * self.query.apply(x)
        if self.conversation_scale and self.conversation is not None:
            out += self.conversation_scale * self.conversation.apply(x)
        out *= prior
        for variance, group in zip(self.variances, self.features, strict=False):
            if variance:
                out += variance * (group @ (group.T @ x))
        return out

    def mode(self, y: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Return (T,) α = y - p at the most likely latent scores K α, given (T,) outcomes and offsets.

        Newton steps are solved by conjugate gradients.
        """

        def solve(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
            # (I + W K)⁻¹ = W^½ (I + W^½ K W^½)⁻¹ W^-½: its right-hand side is as small as what is still missing, so
            # that a rough solve gains three digits. A floor under W changes the step, not where the steps end.
            root = np.sqrt(np.maximum(weight.T, LEAST_CURVATURE))
            return (root * self._solved(root, x.T / root, STEP_TOLERANCE)).T

        shown = np.ones((1, len(y)), bool)
        return laplace_mode(lambda x: self.apply(x.T).T, solve, y[None], offset[None], shown)[0]

    def learned(self, towards: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return (K, K) K_* (W⁻¹ + K)⁻¹ K_*ᵀ, what (T,) curvatures W take off the variance of K targets.

        Args:
            towards: (K, T) kernel between the targets and the votes.
            weight: (T,) W.
        """
        root = np.sqrt(weight)[:, None]
        seen = root * towards.T
        return seen.T @ self._solved(root, seen, EXACT_TOLERANCE)

    def _solved(self, root: np.ndarray, right: np.ndarray, tolerance: float) -> np.ndarray:
        """Return (I + W^½ K W^½)⁻¹ times (T, N) numbers, given (T, 1) W^½.

        What all votes share, the largest part of K, is of low rank and solved exactly in every step of the conjugate
        gradients, which are left with what is particular to queries.
        """
        # I + U Uᵀ has a small inverse (Woodbury): R numbers a vote, where R does not grow with the votes.
        basis = root * self._common
        factor = cho_factor(np.eye(basis.shape[1]) + basis.T @ basis)
        return conjugate_gradients(
            lambda z: z + root * self.apply(root * z),
            right,
            tolerance,
            lambda z: z - basis @ cho_solve(factor, basis.T @ z),
        )

    @cached_property
    def _common(self) -> np.ndarray:
        """(T, R) a root of the part of the kernel that is linear in models and features."""
        prior, query = self.scales
        parts = [np.sqrt(prior) * (self.design @ self.covariance.root())]
        if query:
            # Of the query term every two votes share the floor of the text part, whatever they are about.
            parts.append(np.sqrt(prior * query * TEXT * TEXT_FLOOR) * (self.query.differences @ self.query.own.root()))
        for variance, group in zip(self.variances, self.features, strict=False):
            if variance:
                parts.append(np.sqrt(variance) * group)
        return np.concatenate(parts, axis=1)


def signed(a: np.ndarray, b: np.ndarray, columns: int, scale: np.ndarray | None = None) -> csr_matrix:
    """Return the (T, columns) sparse rows scale · (e_a - e_b) of (T,) codes a and b."""
    count = len(a)
    scale = np.ones(count) if scale is None else scale
    # Two entries a row in a known order: no sorting, and the factors can be read back from them.
    data, at = np.stack([scale, -scale], axis=1).reshape(-1), np.stack([a, b], axis=1).reshape(-1)
    return csr_matrix((data, at, 2 * np.arange(count + 1)), shape=(count, columns))
