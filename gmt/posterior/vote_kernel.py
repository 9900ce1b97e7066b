"""Multiply by the kernel between many votes without forming it, so that its cost grows with the votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix

from gmt.posterior.block_low_rank import BlockLowRank
from gmt.posterior.conjugate_gradients import conjugate_gradients
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.model_covariance import ModelCovariance
from gmt.routing.kernels import QUERY_COMPONENTS, SAME_TASK, QueryKernel

FEW_VOTES = 64
"""Votes on one query up to which its own part of the kernel is kept pair by pair."""
LEAST_CURVATURE = 1e-6
"""Least p (1 - p) of a vote within a Newton step."""
STEP_TOLERANCE = 1e-3
"""Of the solves within Newton steps, which need only point the right way."""
SAME_CURVATURE = 0.2
"""How far W^½ of a vote may be off, relative to itself, for a preconditioner to serve another Newton step."""
EXACT_TOLERANCE = 1e-8
"""Of the solves whose result is used itself."""
MOST_SHARED, SHARED_NUMBERS = 256, 60_000_000
"""Columns, and numbers, that the preconditioner spends on what votes on different queries share."""


class QueryTerm:
    """Multiply by the (T, T) kernel δ_iᵀ C δ_j · K_q(q_i, q_j) between votes, δ = scale · (e_a - e_b).

    K_q is a sum of what only one query has, what queries of one task share, and a product of few coordinates; each is
    applied by its own form. Where K_q is kept as a matrix it is applied to the G queries voted on instead.

    Args:
        queries: K_q.
        query, a, b: (T,) codes of the votes; b is -1, and δ = scale · e_a, where one answer alone was judged.
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
        self.scale = np.ones(len(query)) if scale is None else scale
        self._queries, self._votes = queries, (query, a, b)
        self.differences = signed(a, b, models, self.scale)
        self.dense = queries.dense(codes)
        if self.dense is not None:
            self.answers = signed(at * models + a, answers_of(at, b, models), len(codes) * models, self.scale)
            return
        # Where K_q is not kept as a matrix, its three parts are applied each in its own form.
        only, self.shared, task = queries.parts(query)
        # 1. Votes on one query meet in its own part: pair by pair where they are few, else through its M answers.
        self.alone = self._pairs()
        query_group = np.where(np.bincount(at)[at] > FEW_VOTES, at, -1)
        # 2. So do votes on one task.
        # Square roots, for the weight meets itself: once on the way to the answers, once on the way back.
        groups = ((query_group, self.scale * np.sqrt(only)), (task, self.scale * np.sqrt(SAME_TASK)))
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
        second = answers_of(at, b, self.models)
        return signed(at * self.models + a, second, len(codes) * self.models, np.where(group >= 0, weight, 0.0))

    @cached_property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The own part of K_q times δᵀ C δ among votes on one query, where they are up to `FEW_VOTES`.

        (N, s) votes on N queries with s votes each, and the (N, s, s) entries between them, for every s.
        """
        query, a, b = self._votes
        only = self._queries.parts(query)[0]
        order = np.argsort(query, kind="stable")
        first, count = np.unique(query[order], return_index=True, return_counts=True)[1:]
        found = []
        for size in np.unique(count[count <= FEW_VOTES]).tolist():
            index = order[first[count == size][:, None] + np.arange(size)]
            left, right = (np.broadcast_to(part, (len(index), size, size)) for part in _both(index))
            # δᵀ C δ' has four entries of C, read one by one.
            entries = sum(
                sign * self._at(one[left].reshape(-1), other[right].reshape(-1))
                for sign, one, other in ((1, a, a), (-1, b, a), (-1, a, b), (1, b, b))
            )
            factor = only[left] * self.scale[left] * self.scale[right]
            found.append((index, np.reshape(entries, left.shape) * factor))
        return found

    def _at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the (N,) entries of C, 0 where a code is -1."""
        found = self.own.at(left, right)
        return np.where((left < 0) | (right < 0), 0.0, found) if (np.minimum(left, right) < 0).any() else found

    def _pairs(self) -> csr_matrix:
        """Return `blocks` as one sparse (T, T) matrix."""
        parts = [
            (*map(np.ravel, np.broadcast_arrays(*_both(index))), entries.ravel()) for index, entries in self.blocks
        ]
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        left, right, values = (np.concatenate(part) for part in zip(empty, *parts, strict=True))
        return csr_matrix((values, (left, right)), shape=(len(self.scale), len(self.scale)))

    def common(self, most: int) -> np.ndarray:
        """Return (T, R) a root of what votes on any two queries share: the floor of the texts, then their main axes.

        Args:
            most: Columns at most; the floor is kept in any case.
        """
        root = self.own.root()
        weights = self._axes[:, : max(1, most // max(root.shape[1], 1))]
        rows = self.differences @ root
        return (weights[:, :, None] * rows[:, None, :]).reshape(len(weights), -1)

    @cached_property
    def _axes(self) -> np.ndarray:
        """(T, R + 1) the floor of the texts and their main axes, the largest first."""
        codes, at = np.unique(self._votes[0], return_inverse=True)
        shared = self._queries.parts(codes)[1]
        size, basis = np.linalg.eigh(shared[:, 1:].T @ shared[:, 1:])
        # An axis of no size would be a column of zeros.
        largest = [axis for axis in np.argsort(-size)[:QUERY_COMPONENTS] if size[axis] > 1e-12]
        return np.concatenate([shared[:, :1], shared[:, 1:] @ basis[:, largest]], axis=1)[at]


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

    def mode(self, outcomes: Outcomes, offset: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Return (T,) α = dℓ/dz at the most likely latent scores K α, given (T,) outcomes and offsets.

        Newton steps are solved by conjugate gradients. `start` is a (T,) α to begin from.
        """
        shown, steps = np.ones((1, len(offset)), bool), _Steps(self)
        begin = None if start is None else start[None]
        return laplace_mode(lambda x: self.apply(x.T).T, steps.solve, outcomes[None], offset[None], shown, begin)[0]

    def learned(self, towards: np.ndarray, root: np.ndarray, near: BlockLowRank) -> np.ndarray:
        """Return (K, K) K_* (W⁻¹ + K)⁻¹ K_*ᵀ, what curvatures W take off the variance of K targets.

        Args:
            towards: (K, T) kernel between the targets and the votes.
            root: (T, 1) W^½.
            near: What `near` returns for it, which serves every target.
        """
        seen = root * towards.T
        return seen.T @ self.solved(root, seen, EXACT_TOLERANCE, near)

    def solved(self, root: np.ndarray, right: np.ndarray, tolerance: float, near: BlockLowRank) -> np.ndarray:
        """Return (I + W^½ K W^½)⁻¹ times (T, N) numbers, given (T, 1) W^½ and what is near the matrix."""
        return conjugate_gradients(lambda z: z + root * self.apply(root * z), right, tolerance, near.solve)

    def near(self, root: np.ndarray) -> BlockLowRank:
        """Return a matrix near I + W^½ K W^½, of which the inverse is known.

        It has the largest parts of K: what votes on one query have of their own, and of what all share as many
        directions as fit.
        """
        prior, query = self.scales
        blocks = self.query.blocks if query else []
        weighted = (
            (index, prior * query * entries * root[index] * root[index].swapaxes(1, 2)) for index, entries in blocks
        )
        return BlockLowRank(weighted, root * self._common)

    @cached_property
    def _common(self) -> np.ndarray:
        """(T, R) a root of the part of the kernel that votes on different queries share."""
        prior, query = self.scales
        parts = [np.sqrt(prior) * (self.design @ self.covariance.root())]
        for variance, group in zip(self.variances, self.features, strict=False):
            if variance:
                parts.append(np.sqrt(variance) * group)
        if query:
            spent = sum(part.shape[1] for part in parts)
            most = min(MOST_SHARED, SHARED_NUMBERS // max(self.design.shape[0], 1)) - spent
            parts.append(np.sqrt(prior * query) * self.query.common(most))
        return np.concatenate(parts, axis=1)


class _Steps:
    """Solve the Newton steps of one fit, all with the preconditioner of the first while curvatures stay near its own.

    Args:
        kernel: K.
    """

    def __init__(self, kernel: VoteKernel) -> None:
        self.kernel = kernel
        self._root: np.ndarray | None = None

    def solve(self, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return (1, T) Δ with (I + W K) Δ = x, given (1, T) W, three digits of what is missing."""
        # (I + W K)⁻¹ = W^½ (I + W^½ K W^½)⁻¹ W^-½: its right-hand side is as small as what is still missing, so
        # that a rough solve gains three digits. A floor under W changes the step, not where the steps end.
        root = np.sqrt(np.maximum(weight.T, LEAST_CURVATURE))
        # To make the preconditioner costs as much as several products, and one a little off costs one product more.
        if self._root is None or np.abs(root / self._root - 1).max() > SAME_CURVATURE:
            self._root, self._near = root, self.kernel.near(root)
        return (root * self.kernel.solved(root, x.T / root, STEP_TOLERANCE, self._near)).T


def _both(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, s, 1) and (N, 1, s), what each of s votes meets."""
    return index[:, :, None], index[:, None, :]


def signed(a: np.ndarray, b: np.ndarray, columns: int, scale: np.ndarray | None = None) -> csr_matrix:
    """Return the (T, columns) sparse rows scale · (e_a - e_b) of (T,) codes a and b, scale · e_a where b is -1."""
    count = len(a)
    scale = np.ones(count) if scale is None else scale
    # Two entries a row in a known order: no sorting, and the factors can be read back from them. Without a second
    # answer the row names the first one twice, the second time with 0.
    lone = b < 0
    data = np.stack([scale, np.where(lone, 0.0, -scale)], axis=1).reshape(-1)
    at = np.stack([a, np.where(lone, a, b)], axis=1).reshape(-1)
    return csr_matrix((data, at, 2 * np.arange(count + 1)), shape=(count, columns))


def answers_of(group: np.ndarray, model: np.ndarray, models: int) -> np.ndarray:
    """Return the (T,) codes of the models' answers to queries, or other groups; -1, no answer, stays -1."""
    return np.where(model < 0, -1, group * models + model)
