"""Build the kernels of a batch of users, padded to one shape, and solve for what each user adds."""

from __future__ import annotations

import numpy as np

from gmt.posterior.kernel_terms import KernelTerms, precision, query_kernel_covariance
from gmt.posterior.users_mode import users_mode
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.recency import recency_weight


class UserBatch:
    """Hold the votes of B users, padded to T each, and their kernels.

    A vote of user u has the logit (1 + ρ_u) Δf + δᵀθ_u + π_u + g_u + …, its part beyond Δf being normal with the kernel
    of `KernelTerms`; (θ, π, ρ)_u ~ N(0, S). An answer judged alone has the same with δ = e_a, Δf = f(q, a), and the
    leniency λ_u in place of π_u: x = [e_a, 0, f, 1].

    Args:
        votes: All votes.
        index: (B, T) positions of theirs, -1 under padding.
        offset: (V,) Δf of every vote.
        covariance: (M + 2, M + 2) S over models, position bias and discrimination; (M + 3, M + 3) with leniency.
    """

    def __init__(self, votes: VoteHistory, index: np.ndarray, offset: np.ndarray, covariance: np.ndarray) -> None:
        # Padding reads the first vote of all; the mask takes it out of whatever is summed.
        at = np.maximum(index, 0)
        self.queries, self.covariance, self.groups = votes.queries, covariance, votes.groups
        self.since, self.half_life = votes.since[at], votes.half_life
        self.conversation = votes.conversation[at] if votes.by_conversation else None
        self.mask, self.models = index >= 0, votes.models
        self.a, self.b, self.query, self.outcomes = votes.a[at], votes.b[at], votes.query[at], votes.observed[at]
        self.offset = np.where(self.mask, offset[at], 0.0)
        self.features = votes.features[at] * self.mask[:, :, None]
        self.lone = votes.lone[at]
        bias, discrimination, leniency = self._places
        # x has two entries for the models, a 1 and Δf, so S x is a sum of four rows and no product.
        rows = covariance[self.a] - covariance[self.b] + covariance[bias]
        if self.lone.any():
            # What was judged alone has no second answer, and no side it was shown on.
            rows[self.lone] = covariance[self.a[self.lone]] + covariance[leniency]
        rows += self.offset[:, :, None] * covariance[discrimination]
        self.rows = rows * self.mask[:, :, None]
        """(B, T, M + 2) S x of every vote."""

    @property
    def _places(self) -> tuple[int, int, int]:
        """Return where position bias, discrimination and leniency stand in S."""
        return self.models, self.models + 1, self.models + 2

    def _less_b(self, first: np.ndarray, second: np.ndarray, lone: np.ndarray) -> np.ndarray:
        """Return what is of a less what is of b, the first alone where there is no b."""
        # Votes alone take the plain way, which costs no array more.
        return np.where(lone, first, first - second) if self.lone.any() else first - second

    def linear(self) -> np.ndarray:
        """Return the (B, T, T) linear part of the kernel between the votes of each user."""
        bias, discrimination, leniency = self._places
        # Entries of S x are looked up where x' has its four, so that no product over M models is formed.
        user, vote = np.arange(len(self.a))[:, None, None], np.arange(self.a.shape[1])[None, :, None]
        lone = self.lone[:, None, :]
        found = self._less_b(self.rows[user, vote, self.a[:, None, :]], self.rows[user, vote, self.b[:, None, :]], lone)
        beside = self.rows[:, :, bias, None]
        if lone.any():
            beside = np.where(lone, self.rows[:, :, leniency, None], beside)
        found += beside + self.rows[:, :, discrimination, None] * self.offset[:, None, :]
        return found * self.mask[:, None, :]

    def among(self) -> KernelTerms:
        """Return the (B, T, T) kernel between the votes of each user."""
        own = query_kernel_covariance(self.covariance, self.models)
        left = self._less_b(own[self.a], own[self.b], self.lone[:, :, None])
        right = np.arange(self.a.shape[1])[None, :, None]
        user = np.arange(len(self.a))[:, None, None]
        query = self._less_b(
            left[user, right, self.a[:, None, :]], left[user, right, self.b[:, None, :]], self.lone[:, None, :]
        )
        query *= self.mask[:, :, None] & self.mask[:, None, :]
        talk = None
        if self.conversation is not None:
            talk = query * (self.conversation[:, :, None] == self.conversation[:, None, :])
        # A product of two kernels is a kernel: votes share as much as their models and their queries both do.
        query *= self.queries.between(self.query, self.query)
        features = tuple(group @ group.swapaxes(1, 2) for group in self._grouped(self.features))
        return self._with_drift(
            KernelTerms(self.linear(), query, features, talk), self.since[:, :, None] - self.since[:, None, :]
        )

    def towards(
        self,
        row: np.ndarray,
        candidates: np.ndarray,
        quality: np.ndarray,
        similarity: np.ndarray,
        features: np.ndarray,
        conversation: np.ndarray,
    ) -> KernelTerms:
        """Return the (C, K, T) kernel between candidates and the votes of the user they are for.

        Position bias, leniency and thresholds explain what was said, and have no part in a candidate's score.

        Args:
            row: (C,) which of the B users each target is of.
            candidates: (C, K) model codes.
            quality: (C, K) f of each candidate.
            similarity: (C, G) similarities of the targets' queries to the known ones.
            features: (C, K, F) features of the candidates.
            conversation: (C,) codes of the targets' conversations, -1 for none.
        """
        discrimination, vote = self._places[1], np.arange(self.a.shape[1])
        models = candidates[:, :, None]
        # x of a candidate is [e_m, 0, f]: two entries of S x, and none for the position bias.
        linear = self.rows[row[:, None, None], vote, models]
        linear = linear + quality[:, :, None] * self.rows[row, :, discrimination][:, None, :]
        own = query_kernel_covariance(self.covariance, self.models)
        query = self._less_b(
            own[models, self.a[row][:, None, :]], own[models, self.b[row][:, None, :]], self.lone[row][:, None, :]
        )
        # Masked here once, for a product with 0 is 0 whatever the models say.
        near = np.take_along_axis(similarity, self.query[row], axis=1) * self.mask[row]
        theirs = self._grouped(self.features[row])
        found = tuple(one @ past.swapaxes(1, 2) for one, past in zip(self._grouped(features), theirs, strict=True))
        # A target comes after all that was rated, hence one more than was rated since.
        talk = None
        if self.conversation is not None:
            # A target without a conversation, -1, is of none that was voted in.
            same = (self.conversation[row] == conversation[:, None]) & self.mask[row] & (conversation >= 0)[:, None]
            talk = query * same[:, None, :]
        return self._with_drift(
            KernelTerms(linear, query * near[:, None, :], found, talk), self.since[row][:, None, :] + 1
        )

    def within(self, candidates: np.ndarray, quality: np.ndarray, features: np.ndarray) -> KernelTerms:
        """Return the (C, K, K) prior covariance of what a user adds to the candidates' scores."""
        discrimination = self._places[1]
        left, right = candidates[:, :, None], candidates[:, None, :]
        # x of one candidate is [e_m, 0, f], so xᵀ S x' has one term of models, two mixed ones and one of f.
        mixed = self.covariance[candidates, discrimination]
        linear = self.covariance[left, right] + quality[:, :, None] * mixed[:, None, :]
        linear += mixed[:, :, None] * quality[:, None, :]
        linear += quality[:, :, None] * quality[:, None, :] * self.covariance[discrimination, discrimination]
        found = tuple(group @ group.swapaxes(1, 2) for group in self._grouped(features))
        # All candidates are for one query, of similarity 1 with itself, and no time lies between them.
        own = query_kernel_covariance(self.covariance, self.models)[left, right]
        return KernelTerms(linear, own, found, own)

    def _with_drift(self, terms: KernelTerms, gap: np.ndarray) -> KernelTerms:
        """Return the kernel of effects that drift: votes far apart in time have less in common."""
        if not self.half_life:
            return terms
        return terms.weighted(recency_weight(np.abs(gap), self.half_life))

    def _grouped(self, features: np.ndarray) -> list[np.ndarray]:
        return np.split(features, self.groups[:-1], axis=-1) if self.groups else []

    def solve(self, kernel: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Return (B, T) α, each user's most likely part beyond Δf being K α, K the (B, T, T) `kernel`.

        `start` is an α to begin from; it changes how long this takes, not what is found.
        """
        return users_mode(kernel, self.outcomes, self.offset, self.mask, start)

    def curvature(self, latent: np.ndarray) -> np.ndarray:
        """Return (B, T) how sharply each vote was decided at latent scores K α, p (1 - p); 0 under padding."""
        return self.outcomes.curvature(latent + self.offset) * self.mask

    def explained(self, mean: np.ndarray, row: np.ndarray, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (N,) ρ and δᵀθ + π (or + λ) of the votes at N places, given (B, M + 2) posterior means."""
        bias, discrimination, leniency = self._places
        a, b, lone = self.a[row, slot], self.b[row, slot], self.lone[row, slot]
        beside = mean[row, a] - mean[row, b] + mean[row, bias]
        if lone.any():
            beside = np.where(lone, mean[row, a] + mean[row, min(leniency, mean.shape[1] - 1)], beside)
        return mean[row, discrimination], beside

    def mean(self, alpha: np.ndarray) -> np.ndarray:
        """Return (B, M + 2) posterior means w of (θ, π, ρ) under the linear kernel."""
        return np.einsum("bt,btm->bm", alpha, self.rows)

    def moments(self, mean: np.ndarray, alpha: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Return Σ over users of w wᵀ + Cov(w), given the posterior means w, under the linear kernel.

        Cov(w) = S - S Xᵀ (I + W K)⁻¹ W X S.
        """
        weight = self.curvature((kernel @ alpha[:, :, None])[:, :, 0])
        learned = np.linalg.solve(precision(kernel, weight), weight[:, :, None] * self.rows)
        size = self.rows.shape[2]
        # Summed over users in one product; a covariance for each of them would take (B, M, M) numbers.
        shrunk = self.rows.reshape(-1, size).T @ learned.reshape(-1, size)
        return mean.T @ mean + len(mean) * self.covariance - shrunk
