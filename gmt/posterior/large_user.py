"""Solve for one user with so many votes that the kernel between them is never formed."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix, hstack

from gmt.posterior.conversation_term import ConversationTerm
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import query_kernel_covariance
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.model_covariance import MatrixCovariance
from gmt.posterior.targets import Targets
from gmt.posterior.vote_history import VoteHistory
from gmt.posterior.vote_kernel import QueryTerm, VoteKernel, signed

MOST_DENSE_VOTES = 1500
"""Votes of one user up to which the kernel between them is formed; T of them cost T² memory and T³ time."""


class LargeUser:
    """Hold the votes of one user beyond `MOST_DENSE_VOTES`; the model is that of `UserBatch`, at a cost linear in T.

    The kernel is applied as products; effects that drift have another kernel, and are not for this class.

    Args:
        votes: All votes.
        index: (T,) positions of the user's.
        offset: (V,) Δf of every vote.
        covariance: (M + 2, M + 2) S over models, position bias and discrimination; (M + 3, M + 3) with leniency.
    """

    def __init__(self, votes: VoteHistory, index: np.ndarray, offset: np.ndarray, covariance: np.ndarray) -> None:
        self.votes, self.covariance = votes.select(index), covariance
        self.offset = offset[index]

    @cached_property
    def design(self) -> csr_matrix:
        """(T, M + 2) sparse x = [δ, 1, Δf] of every vote, [e_a, 0, f, 1] of an answer judged alone."""
        votes, count = self.votes, len(self.votes)
        # The position bias has a 1 in every vote, for a is always the answer shown left.
        lone = votes.lone.astype(float)
        beside = np.stack([np.ones(count) - lone, self.offset, lone], axis=1)[:, : len(self.covariance) - self.models]
        return hstack([signed(votes.a, votes.b, self.models), csr_matrix(beside)], format="csr")

    @property
    def models(self) -> int:
        """Return M."""
        return self.votes.models

    @cached_property
    def own(self) -> MatrixCovariance:
        """C, what the user adds to models on one kind of query only."""
        return MatrixCovariance(query_kernel_covariance(self.covariance, self.models))

    @cached_property
    def terms(self) -> VoteKernel:
        """The kernel with every amplitude at 1."""
        votes = self.votes
        # Amplitudes enter in `kernel`, so that the sparse parts are built once for all settings tried.
        groups = np.split(votes.features, votes.groups[:-1], axis=1) if votes.groups else []
        term = QueryTerm(votes.queries, votes.query, votes.a, votes.b, self.own, self.models)
        covariance = MatrixCovariance(self.covariance)
        amplitudes = (1.0, 1.0), (1.0,) * len(groups)
        return VoteKernel(self.design, covariance, term, tuple(groups), *amplitudes, self.talks)

    @cached_property
    def talks(self) -> ConversationTerm | None:
        """The term of votes of one conversation, None where the kernel has none."""
        votes = self.votes
        if not votes.by_conversation or not len(votes):
            return None
        return ConversationTerm(votes.conversation, votes.a, votes.b, self.own, self.models)

    def kernel(self, settings: HierarchicalSettings) -> VoteKernel:
        """Return the kernel with the amplitudes of settings."""
        scales = (settings.prior_scale, settings.query_kernel_scale)
        return self.terms.under(scales, settings.feature_variances, settings.conversation_scale)

    def solve(self, settings: HierarchicalSettings, start: np.ndarray | None = None) -> np.ndarray:
        """Return (T,) α of the user's most likely part beyond Δf, found from (T,) α near it where they are given."""
        return self.kernel(settings).mode(self.votes.observed, self.offset, start)

    def linear_mode(self) -> tuple[np.ndarray, np.ndarray]:
        """Fit the linear part alone, in its M + 2 dimensions.

        With S = L Lᵀ and Z = X L the kernel is Z Zᵀ, and (I + W Z Zᵀ)⁻¹ = I - W Z (I + Zᵀ W Z)⁻¹ Zᵀ, so that no T × T
        matrix is needed and the mode is the same.

        Returns:
            (M + 2,) posterior mean w of (θ, π, ρ), and (M + 2, M + 2) w wᵀ + Cov(w).
        """
        size, basis = np.linalg.eigh(self.covariance)
        # By eigenvalues, for a Cholesky factor does not exist where a term is off and S is singular.
        factor = basis * np.sqrt(np.maximum(size, 0.0))
        spread = self.design @ factor  # (T, M + 2) Z

        def precision(weight: np.ndarray) -> np.ndarray:
            return np.eye(len(factor)) + spread.T @ (weight[:, None] * spread)

        def solve(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
            inner = np.linalg.solve(precision(weight[0]), spread.T @ x[0])
            return x - weight * (spread @ inner)

        shown = np.ones((1, len(self.votes)), bool)
        alpha = laplace_mode(
            lambda x: (spread @ (spread.T @ x[0]))[None], solve, self.votes.observed[None], self.offset[None], shown
        )[0]
        inner = spread.T @ alpha
        weight = self.votes.observed.curvature(spread @ inner + self.offset)
        mean = factor @ inner
        return mean, np.outer(mean, mean) + factor @ np.linalg.solve(precision(weight), factor.T)

    def mean(self, alpha: np.ndarray) -> np.ndarray:
        """Return (M + 2,) S Xᵀ α, what (T,) weights of the votes say of (θ, π, ρ) before the scale of the prior."""
        return self.covariance @ (self.design.T @ alpha)

    def added(self, alpha: np.ndarray, settings: HierarchicalSettings, targets: Targets, at: np.ndarray) -> np.ndarray:
        """Return (C, K) what the user adds to the candidates of the targets at (C,) places.

        The votes' weights are first added up by query and model, so that a target costs no more for each vote.
        """
        models, linear = targets.models[at], self.mean(alpha)
        # 1. Position bias and leniency explain what was said, and have no part in a score.
        out = linear[models] + targets.quality[at] * linear[self.models + 1]
        if settings.query_kernel_scale:
            codes, query = np.unique(self.votes.query, return_inverse=True)
            first = query * self.models
            second = np.where(self.votes.lone, -1, first + self.votes.b)
            answers = signed(first + self.votes.a, second, len(codes) * self.models)
            # 2. C is applied to sums over votes: a query and model voted on a thousand times is one column.
            weights = self.own.times((answers.T @ alpha).reshape(len(codes), self.models).T)  # (M, G)
            near = targets.similarity[at][:, codes] @ weights.T
            out = out + settings.query_kernel_scale * np.take_along_axis(near, models, axis=1)
        if settings.conversation_scale and self.talks is not None:
            talk = self.talks.added(alpha, targets.questions.conversation[at])
            out = out + settings.conversation_scale * np.take_along_axis(talk, models, axis=1)
        out *= settings.prior_scale
        # 3. Features have variances of their own, so they join after the scale of S.
        ends = self.votes.groups[:-1] if self.votes.groups else ()
        mine, theirs = (np.split(part, ends, axis=-1) for part in (self.votes.features, targets.features[at]))
        for variance, own, group in zip(settings.feature_variances, mine, theirs, strict=False):
            if variance:
                out = out + variance * (group @ (own.T @ alpha))
        return out
