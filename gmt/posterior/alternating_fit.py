"""Fit answer quality and user effects in turn, and learn the users' covariance by expectation maximisation."""

from __future__ import annotations

import numpy as np

from gmt.posterior.answer_quality import QualityFit, fit_answer_quality
from gmt.posterior.linear_effects import LinearEffects
from gmt.posterior.quality_prior import QualityPrior
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.kernels import MANY_MODELS

LEARNING_ROUNDS = 6
"""Rounds in which S is learned; a single one costs .004 AUC on real votes."""
ROUNDS = 3
"""Rounds that condition on a history, S being known."""
LEARNING_RATE = 0.7
"""Share of S that a round of learning renews; the rest is the prior it started from, which steadies few users."""


def alternating_fit(
    prior: QualityPrior, votes: VoteHistory, covariance: np.ndarray, rounds: int, learn: bool = False, cut: bool = False
) -> tuple[QualityFit, np.ndarray, VoteHistory]:
    """Fit f and the users in turn, each given the other.

    Users: w_u = (θ, π, ρ)_u at its mode under N(0, S) given Δf. Then f: every vote has the logit
    (1 + ρ_u) Δf + δᵀθ_u + π_u (λ_u of an answer judged alone). With `learn`, each round sets
    S ← 0.7 · mean(w wᵀ + Cov(w)) + 0.3 · S₀, and the thresholds of ratings to the likeliest.

    Source: Dempster, Laird and Rubin (1977) for expectation maximisation, here with Laplace's approximation
    (Rasmussen and Williams 2006, section 3.4).

    Limitations: beyond `MANY_MODELS` models S stays S₀.

    Args:
        prior: The prior of f.
        votes: The votes.
        covariance: (M + 2, M + 2) S, or S₀ where it is learned; (M + 3, M + 3) with leniency.
        rounds: How often the users are fitted, and then f once more.
        learn: Whether each round renews S and the thresholds.
        cut: Whether it renews the thresholds alone.

    Returns:
        The fit of f, S, and the votes under the thresholds.
    """
    # The M² entries of S are more than votes can tell apart where models are many.
    cut, learn = cut or learn, learn and votes.models <= MANY_MODELS
    quality, first = fit_answer_quality(prior, votes.query, votes.a, votes.b, votes.observed), covariance
    users = len(np.unique(votes.user))
    for _ in range(rounds if len(votes) else 0):
        # 1. What everybody's f says of each vote is what a user's own part comes on top of.
        known = quality.differences(votes.query, votes.a, votes.b)
        effects = LinearEffects.fitted(votes, known, covariance, learn)
        scale, offset = effects.scale, effects.offset
        if learn:
            # Mixed with S₀ and not with the S of the round before, so that more rounds do not let the prior fade.
            covariance = LEARNING_RATE * effects.moments / users + (1 - LEARNING_RATE) * first
        # 2. Thresholds given everything else, where answers were rated and not only voted on.
        if cut:
            votes = votes.rescaled(scale * known + offset)
        # 3. f again, from where it was, each vote read by its voter's discrimination and less what the voter adds.
        quality = fit_answer_quality(prior, votes.query, votes.a, votes.b, votes.observed, scale, offset, quality)
    return quality, covariance, votes
