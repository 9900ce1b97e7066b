"""Fit answer quality and user effects in turn, and learn the users' covariance by expectation maximisation."""

from __future__ import annotations

import numpy as np

from gmt.posterior.answer_quality import QualityFit, QualityPrior, fit_answer_quality
from gmt.posterior.large_user import MOST_DENSE_VOTES, LargeUser
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.kernels import MANY_MODELS

LEARNING_ROUNDS = 6
"""Rounds in which S is learned; a single one costs .004 AUC on real votes."""
ROUNDS = 3
"""Rounds that condition on a history, S being known."""
LEARNING_RATE = 0.7
"""Share of S that a round of learning renews; the rest is the prior it started from, which steadies few users."""


def alternating_fit(
    prior: QualityPrior, votes: VoteHistory, covariance: np.ndarray, rounds: int, learn: bool = False
) -> tuple[QualityFit, np.ndarray]:
    """Fit f and the users in turn, each given the other.

    Users: w_u = (θ, π, ρ)_u at its mode under N(0, S) given Δf. Then f: every vote has the logit
    (1 + ρ_u) Δf + δᵀθ_u + π_u. With `learn`, each round sets S ← 0.7 · mean(w wᵀ + Cov(w)) + 0.3 · S₀.

    Source: Dempster, Laird and Rubin (1977) for expectation maximisation, here with Laplace's approximation
    (Rasmussen and Williams 2006, section 3.4).

    Limitations: beyond `MANY_MODELS` models S stays S₀.

    Args:
        prior: The prior of f.
        votes: The votes.
        covariance: (M + 2, M + 2) S, or S₀ where it is learned.
        rounds: How often the users are fitted, and then f once more.
        learn: Whether each round renews S.

    Returns:
        The fit of f, and S.
    """
    # The M² entries of S are more than votes can tell apart where models are many.
    learn = learn and len(covariance) - 2 <= MANY_MODELS
    quality, first = fit_answer_quality(prior, votes.query, votes.a, votes.b, votes.observed), covariance
    users = np.unique(votes.user)
    for _ in range(rounds if len(votes) else 0):
        # 1. What everybody's f says of each vote is what a user's own part comes on top of.
        known = quality.differences(votes.query, votes.a, votes.b)
        scale, offset = np.ones(len(votes)), np.zeros(len(votes))
        total = np.zeros_like(covariance) if learn else None
        # 2. Every user at their mode; the linear kernel alone, for only (θ, π, ρ) have a covariance to learn.
        for _, index in votes.batches(users, len(covariance) - 2):
            # A batch this wide holds one user alone, for `NUMBERS_AT_ONCE` is less than the square of its width.
            if index.shape[1] > MOST_DENSE_VOTES:
                own, moments = LargeUser(votes, index[0], known, covariance).linear_mode()
                total = None if total is None else total + moments
                # w is (θ, π, ρ): the discrimination stands last, the position bias before it.
                scale[index[0]] += own[-1]
                offset[index[0]] = own[votes.a[index[0]]] - own[votes.b[index[0]]] + own[-2]
                continue
            batch = UserBatch(votes, index, known, covariance)
            kernel = batch.linear()
            alpha = batch.solve(kernel)
            mean = batch.mean(alpha)
            if total is not None:
                # The covariance counts too: modes alone are drawn to 0, and S would shrink with every round.
                total += batch.moments(mean, alpha, kernel)
            row, slot = np.nonzero(index >= 0)
            at = index[row, slot]
            scale[at] += mean[row, -1]
            offset[at] = mean[row, votes.a[at]] - mean[row, votes.b[at]] + mean[row, -2]
        if total is not None:
            # Mixed with S₀ and not with the S of the round before, so that more rounds do not let the prior fade.
            covariance = LEARNING_RATE * total / len(users) + (1 - LEARNING_RATE) * first
        # 3. f again, each vote read by its voter's discrimination and less what the voter adds.
        quality = fit_answer_quality(prior, votes.query, votes.a, votes.b, votes.observed, scale, offset)
    return quality, covariance
