"""Fit what users add linearly, (θ, π, ρ, λ), batch by batch of users, in the smaller of two spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmt.posterior.large_user import MOST_DENSE_VOTES, LargeUser
from gmt.posterior.processes import own_share, total
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_history import VoteHistory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class LinearEffects:
    """Hold what users add to their votes, and how they vary.

    Args:
        scale: (V,) 1 + ρ_u of every vote's user.
        offset: (V,) δᵀθ_u + π_u, λ_u in the place of π_u for an answer judged alone.
        moments: (M + 2, M + 2) Σ over users of w wᵀ + Cov(w), w = (θ, π, ρ)_u; 0 where it was not asked for.
    """

    scale: np.ndarray
    offset: np.ndarray
    moments: np.ndarray

    @classmethod
    def fitted(cls, votes: VoteHistory, known: np.ndarray, covariance: np.ndarray, learn: bool) -> LinearEffects:
        """Fit every user's w at its mode under N(0, S) given Δf; several processes fit a share of the users each.

        Args:
            votes: The votes.
            known: (V,) Δf of every vote.
            covariance: (M + 2, M + 2) S.
            learn: Whether moments are wanted.
        """
        users = np.unique(votes.user)
        rows, moments = np.zeros((2, len(votes))), np.zeros_like(covariance)
        for _, index in votes.batches(users[own_share(len(users))], votes.models):
            mean, found = _modes(votes, index, known, covariance, learn)
            moments += found
            # w is (θ, π, ρ, λ): the position bias and the discrimination stand behind the models.
            row, slot = np.nonzero(index >= 0)
            at = index[row, slot]
            rows[0, at] = mean[row, votes.models + 1]
            less = np.where(votes.lone[at], -mean[row, -1], mean[row, votes.b[at]] - mean[row, votes.models])
            rows[1, at] = mean[row, votes.a[at]] - less
        rows = total(rows)
        return cls(1 + rows[0], rows[1], total(moments) if learn else moments)


def _modes(
    votes: VoteHistory, index: np.ndarray, known: np.ndarray, covariance: np.ndarray, learn: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, M + 2) w of the users whose votes stand at (B, T) positions, and the sum of their moments."""
    # 1. A batch this wide holds one user alone, for `NUMBERS_AT_ONCE` is less than the square of its width.
    if index.shape[1] > MOST_DENSE_VOTES:
        mean, moments = LargeUser(votes, index[0], known, covariance).linear_mode()
        return mean[None], moments
    # 2. More votes than effects: in the space of effects.
    if index.shape[1] > len(covariance):
        return _modes_of_effects(votes, index, known, covariance)
    # 3. Else in the space of votes; the linear kernel alone, for only (θ, π, ρ) have a covariance to learn.
    batch = UserBatch(votes, index, known, covariance)
    kernel = batch.linear()
    alpha = batch.solve(kernel)
    mean = batch.mean(alpha)
    # The covariance counts too: modes alone are drawn to 0, and S would shrink with every round.
    return mean, batch.moments(mean, alpha, kernel) if learn else np.zeros_like(covariance)


def _modes_of_effects(
    votes: VoteHistory, index: np.ndarray, known: np.ndarray, covariance: np.ndarray, device: torch.device | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `_modes` does by way of w = L u with S = L Lᵀ, on a device."""
    # Here, for a run that answers from what it stored does without torch, which takes seconds to load.
    import torch

    from gmt.posterior.batched_modes import mode_of_effects
    from gmt.posterior.placed_outcomes import PlacedOutcomes
    from gmt.posterior.placement import fetched, placed, solver_device

    if device is None:
        # P² T for every Zᵀ W Z, P³ for its factor.
        (users, most), size = index.shape, len(covariance)
        device = solver_device(float(users) * size**2 * (most + size))
    spread, basis = np.linalg.eigh(covariance)
    # By eigenvalues, for a Cholesky factor does not exist where a term is off and S is singular.
    factor = placed(basis * np.sqrt(np.maximum(spread, 0.0)), device)
    at, mask = np.maximum(index, 0), placed(index >= 0, device)
    a, b, offset = (placed(part[at], device) for part in (votes.a, votes.b, known))
    lone, models = placed(votes.lone[at], device)[:, :, None], votes.models
    # x is [δ, 1, Δf] of a vote, [e_a, 0, f, 1] of an answer judged alone.
    design = factor[a] + torch.where(lone, factor[-1], factor[models] - factor[b])
    design += offset[:, :, None] * factor[models + 1]
    # Padding reads the first vote of all; the mask takes it out.
    design *= mask[:, :, None]
    outcomes = PlacedOutcomes.of(votes.observed[at], device)
    found, precision = mode_of_effects(design, outcomes, offset * mask, mask)
    mean = found @ factor.T
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(precision)).sum(dim=0)
    return fetched(mean), fetched(mean.T @ mean + factor @ inverse @ factor.T)
