"""Estimate f(q, m), how good each model's answer to each query is for everybody, sharing evidence between texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from gmt.posterior.answer_precision import AnswerPrecision, answer_curvature, shared_directions
from gmt.posterior.answer_space import AnswerSpace, answers_are_fewer
from gmt.posterior.block_low_rank import BlockLowRank
from gmt.posterior.conjugate_gradients import Product, conjugate_gradients
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.quality_prior import QualityPrior
from gmt.posterior.vote_kernel import VoteKernel, answers_of, signed
from gmt.routing.kernels import ANSWER_CONSTANT, ANSWER_SHARES

FIT_TOLERANCE = 1e-3
"""Of the solves within Newton steps, which need only point the right way."""
MOST_PLAIN_VOTES = 10_000
"""Votes beyond which, as where models are many, products go through the votes and not through all G · M answers."""
LEAST_SCALE = 0.1
"""Least factor of a vote that a fit begins with."""
COVARIANCE_TOLERANCE = 1e-8
"""Of the solves whose result is a covariance itself."""


@dataclass(frozen=True, eq=False)
class QualityFit:
    """Hold the Laplace approximation of f given outcomes of latent scores scale · (f_a - f_b) + offset.

    With the design A, the mode is f = K Aᵀ r, r = dℓ/dz (y - p of votes), and the covariance
    K - K Aᵀ (W⁻¹ + A K Aᵀ)⁻¹ A K, W = -d²ℓ/dz² (p (1 - p) of votes).

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4.

    Args:
        prior: What f was before.
        design: (V, G · M) A, rows that take scale · (f_a - f_b).
        residual: (V,) r.
        curvature: (V,) W.
    """

    prior: QualityPrior
    design: csr_matrix
    residual: np.ndarray
    curvature: np.ndarray

    @cached_property
    def scale(self) -> np.ndarray:
        """(V,) factor that each vote was read with."""
        # `signed` holds each row as +scale at a, then -scale at b.
        return self.design.data.reshape(-1, 2)[:, 0]

    @cached_property
    def weights(self) -> np.ndarray:
        """(G, M) weight of every answer in the posterior mean of all others."""
        return (self.design.T @ self.residual).reshape(-1, len(self.prior.strength_kernel))

    @cached_property
    def strength(self) -> np.ndarray:
        """(M,) strength of every model on a query unlike all others."""
        return self.prior.strength_variance * self.prior.strength_kernel @ self.weights.sum(axis=0)

    @cached_property
    def _answer_weights(self) -> np.ndarray:
        unit = self.prior.unit
        if unit is None:
            return self.prior.quality_variance * self.weights @ self.prior.answer_kernel
        own, shared = ANSWER_SHARES
        found = own * self.weights + shared * (self.weights @ unit) @ unit.T
        # The weights of one vote's answers cancel, so that of votes alone the constant of K_m counts nothing.
        if self.prior.lone:
            found = found + ANSWER_CONSTANT * self.weights.sum(axis=1, keepdims=True)
        return self.prior.quality_variance * found

    @cached_property
    def known(self) -> np.ndarray:
        """(G, M) posterior mean at the queries that were voted on."""
        out = self.strength + self.prior.query_kernel.apply(self._answer_weights)
        if self.prior.features is None:
            return out
        return out + (self.prior.features @ self.feature_weights).reshape(out.shape)

    @cached_property
    def feature_weights(self) -> np.ndarray:
        """(F,) what each feature of an answer adds to its quality."""
        features = self.prior.features
        return np.zeros(0) if features is None else self.prior.answer_variance * (features.T @ self.weights.reshape(-1))

    def differences(self, query: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (V,) posterior means of f_a - f_b at known queries, of f_a where b is -1."""
        if self.prior.unit is not None:
            return self._differences_apart(query, a, b)
        first, second = self.known[query, a], self.known[query, b]
        return np.where(b < 0, first, first - second)

    def _differences_apart(self, query: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (V,) the same from the votes fitted to, without the quality of all G · M answers."""
        prior, weight, own = self.prior, self.residual * self.scale, self._votes
        # In the alternating fit the targets are the votes themselves, and need no kernel of twice the size.
        if all(np.array_equal(mine, theirs) for mine, theirs in zip(own, (query, a, b), strict=True)):
            return prior.kernel(query, a, b).apply(weight[:, None])[:, 0]
        query, a, b = (np.concatenate(both) for both in zip(own, (query, a, b), strict=True))
        # Targets read from the kernel and teach it nothing: their weight is 0.
        weights = np.concatenate([weight, np.zeros(len(query) - len(weight))])
        return prior.kernel(query, a, b).apply(weights[:, None])[len(weight) :, 0]

    def mean(self, similarity: np.ndarray) -> np.ndarray:
        """Return the (C, M) posterior mean at C queries with (C, G) similarities to the known ones.

        What the features of an answer add, φᵀ `feature_weights`, is left to the caller, who knows the answers.
        """
        return self.strength + similarity @ self._answer_weights

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
        # K_q of a query with itself is 1, so nothing stands before K_m here.
        own = prior.strength_variance * prior.strength_kernel[chosen]
        own = own + prior.quality_variance * prior.answer_kernel[chosen]
        if prior.features is None or features is None:
            features = None
        else:
            own = own + prior.answer_variance * features @ features.T
        if self._over_votes:
            # Where models are many, G · M · K numbers are too many to hold.
            root, near = self._preconditioned
            return own - self._kernel.learned(self._towards(similarity, candidates, features), root, near)
        # (G, M, K) prior covariance of every known answer with every candidate.
        cross = prior.strength_variance * prior.strength_kernel[:, candidates][None] + (
            prior.quality_variance * similarity[:, None, None] * prior.answer_kernel[:, candidates][None]
        )
        if features is not None and prior.features is not None:
            cross = cross + prior.answer_variance * (prior.features @ features.T).reshape(cross.shape)
        cross = cross.reshape(-1, len(candidates))
        if self._over_answers:
            return own - self._answer_precision.learned(cross)
        # I + W^½ A K Aᵀ W^½ is symmetric and well conditioned, as W⁻¹ + A K Aᵀ is not where votes are certain.
        root = np.sqrt(self.curvature)[:, None]
        seen = root * (self.design @ cross)
        product = _precision(_latent_covariance(prior, self.design), root)
        solved = conjugate_gradients(product, seen, COVARIANCE_TOLERANCE)
        return own - seen.T @ solved

    @property
    def _over_answers(self) -> bool:
        return len(self.residual) > MOST_PLAIN_VOTES and answers_are_fewer(self.prior, len(self.residual))

    @property
    def _over_votes(self) -> bool:
        return self.prior.unit is not None or (len(self.residual) > MOST_PLAIN_VOTES and not self._over_answers)

    @cached_property
    def _votes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(V,) query, a and b of the votes fitted to, b -1 where one answer alone was judged."""
        answers, models = self.design.indices.reshape(-1, 2), self.prior.models
        lone = answers[:, 0] == answers[:, 1]
        return answers[:, 0] // models, answers[:, 0] % models, np.where(lone, -1, answers[:, 1] % models)

    @cached_property
    def _kernel(self) -> VoteKernel:
        return self.prior.kernel(*self._votes, self.scale)

    @cached_property
    def _preconditioned(self) -> tuple[np.ndarray, BlockLowRank]:
        """(V, 1) W^½ and what is near I + W^½ K W^½, kept for all questions: it costs as much as many products."""
        root = np.sqrt(self.curvature)[:, None]
        return root, self._kernel.near(root)

    @cached_property
    def _answer_precision(self) -> AnswerPrecision:
        prior, answers = self.prior, self.design.indices.reshape(-1, 2)
        factors = self.design.data.reshape(-1, 2)
        # Rows are +scale at a and -scale at b; the curvature takes both factors as the vote does.
        blocks = answer_curvature(
            (answers[:, 0].astype(np.int64), answers[:, 1].astype(np.int64)),
            (factors[:, 0], -factors[:, 1]),
            self.curvature,
            (len(prior.query_kernel.keys), prior.models),
        )
        return AnswerPrecision(prior, blocks, shared_directions(prior))

    def _towards(self, similarity: np.ndarray, candidates: np.ndarray, features: np.ndarray | None) -> np.ndarray:
        """Return (K, V) prior covariance of one query's candidates with what each vote is on."""
        prior, (query, a, b) = self.prior, self._votes
        near = prior.quality_variance * similarity[query]
        # b of -1 reads the last model; the product with 0 takes it out.
        two = (b >= 0).astype(float)
        out = prior.strength_variance * (
            prior.strength_kernel[candidates][:, a] - two * prior.strength_kernel[candidates][:, b]
        )
        out = out + near * (prior.answer_kernel[candidates][:, a] - two * prior.answer_kernel[candidates][:, b])
        if features is not None and prior.features is not None:
            first = query * prior.models
            gap = prior.features[first + a] - two[:, None] * prior.features[first + np.maximum(b, 0)]
            out = out + prior.answer_variance * features @ gap.T
        return out * self.scale


def fit_answer_quality(
    prior: QualityPrior,
    query: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    outcomes: Outcomes,
    scale: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    start: QualityFit | None = None,
) -> QualityFit:
    """Find the most likely f given votes.

    Newton steps are solved by conjugate gradients in the space of votes, or of answers where these are fewer; the prior
    covariance is applied as a product over queries and models, so no matrix over all answers is ever formed.

    Args:
        prior: The prior of f.
        query: (V,) which known query each vote is about.
        a, b: (V,) models; b is -1 where one answer alone was judged.
        outcomes: (V,) what was observed of scale · (f_a - f_b) + offset.
        scale, offset: (V,) as in `QualityFit`; 1 and 0 by default.
        start: A fit to the same votes to begin from; it changes how long this takes, not what is found.
    """
    count, models = len(outcomes), len(prior.strength_kernel)
    scale = np.ones(count) if scale is None else scale
    offset = np.zeros(count) if offset is None else offset
    answers = query * models + a, answers_of(query, b, models)
    design = signed(*answers, len(prior.query_kernel.keys) * models, scale)
    # 1. Where votes are many, the same mode is found over the answers if these are fewer, or by products between votes
    # without ever forming numbers for all G · M answers.
    if count > MOST_PLAIN_VOTES or prior.unit is not None:
        if answers_are_fewer(prior, count):
            space = AnswerSpace(prior, query, a, b, outcomes, scale, offset)
            return QualityFit(prior, design, *space.mode(None if start is None else start.weights))
        kernel = prior.kernel(query, a, b, scale)
        alpha = kernel.mode(outcomes, offset, _carried(start, scale))
        curvature = outcomes.curvature(kernel.apply(alpha[:, None])[:, 0] + offset)
        return QualityFit(prior, design, alpha, curvature)

    # 2. Else through the answers: a product costs what they cost, however many votes there are on each.
    product = _latent_covariance(prior, design)

    def apply(x: np.ndarray) -> np.ndarray:
        return product(x.T).T

    def solve(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
        # (I + W K)⁻¹ = I - W^½ (I + W^½ K W^½)⁻¹ W^½ K: only a symmetric system suits conjugate gradients.
        root = np.sqrt(weight.T)
        right = root * apply(x).T
        return x - (root * conjugate_gradients(_precision(product, root), right, FIT_TOLERANCE)).T

    # 3. The votes are one fit, hence a batch of one.
    begin = _carried(start, scale)
    alpha = laplace_mode(
        apply, solve, outcomes[None], offset[None], np.ones((1, count), bool), None if begin is None else begin[None]
    )
    return QualityFit(prior, design, alpha[0], outcomes.curvature(apply(alpha)[0] + offset))


def _carried(start: QualityFit | None, scale: np.ndarray) -> np.ndarray | None:
    """Return (V,) weights of the votes under which f is as in an earlier fit, the votes being read at (V,) scales."""
    if start is None:
        return None
    # A vote read at next to no scale would need an endless weight.
    near = np.where(np.abs(scale) < LEAST_SCALE, np.copysign(LEAST_SCALE, scale), scale)
    return start.residual * start.scale / near


def _latent_covariance(prior: QualityPrior, design: csr_matrix) -> Product:
    """Return the product of (V, N) numbers with A K Aᵀ, the prior covariance of the votes' latent scores."""
    # Transposed once: a fit takes thousands of products, each not much longer than making the transposed matrix.
    back = design.T
    return lambda x: design @ prior.apply(back @ x)


def _precision(product: Product, root: np.ndarray) -> Product:
    """Return the product with I + W^½ A K Aᵀ W^½, given that with A K Aᵀ and (V, 1) W^½."""
    return lambda x: x + root * product(root * x)
