"""Find the modes of many users at once in torch, in the space of effects or of votes, on the processor or a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmt.posterior.laplace import GAP_TOLERANCE, HALVINGS, NEWTON_STEPS
from gmt.posterior.placed_outcomes import PlacedOutcomes

Latent = Callable[[Tensor], Tensor]


def mode_of_effects(design: Tensor, outcomes: PlacedOutcomes, offset: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the modes u of B users' effects, u ~ N(0, I), and their precisions; a vote has the logit zᵀ u + offset.

    A Newton step solves (I + Zᵀ W Z) Δu = Zᵀ dℓ/dz - u, which is P × P however many votes a user has.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4, in weight space.

    Args:
        design: (B, T, P) Z, 0 under padding.
        outcomes, offset, mask: (B, T), as `laplace_mode` has them.

    Returns:
        (B, P) u, and (B, P, P) I + Zᵀ W Z there.
    """
    own = torch.eye(design.shape[2], dtype=design.dtype, device=design.device)
    back = design.mT

    def gap(x: Tensor, latent: Tensor) -> Tensor:
        return (back @ (outcomes.residual(latent) * mask)[:, :, None])[:, :, 0] - x

    def precision(latent: Tensor) -> Tensor:
        return own + back @ ((outcomes.curvature(latent) * mask)[:, :, None] * design)

    def solve(latent: Tensor, right: Tensor) -> Tensor:
        return _solved(precision(latent), right)

    def product(x: Tensor) -> Tensor:
        return (design @ x[:, :, None])[:, :, 0]

    start = design.new_zeros(len(design), design.shape[2])
    found, latent = _newton(start, product, gap, solve, lambda x, _: x, outcomes, offset, mask)
    return found, precision(latent)


def mode_of_votes(kernel: Tensor, outcomes: PlacedOutcomes, offset: Tensor, mask: Tensor, start: Tensor) -> Tensor:
    """Return the (B, T) dual weights α of B users' modes K α, as `laplace_mode` does.

    Args:
        kernel: (B, T, T) K.
        outcomes, offset, mask: (B, T).
        start: (B, T) α to begin from.
    """
    own = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)

    def gap(x: Tensor, latent: Tensor) -> Tensor:
        return torch.where(mask, outcomes.residual(latent) - x, 0.0)

    def solve(latent: Tensor, right: Tensor) -> Tensor:
        # (I + W K)⁻¹ = I - W^½ (I + W^½ K W^½)⁻¹ W^½ K, for a Cholesky factor exists of a symmetric matrix alone.
        root = (outcomes.curvature(latent) * mask).sqrt()
        inner = _solved(own + root[:, :, None] * kernel * root[:, None, :], root * product(right))
        return right - root * inner

    def product(x: Tensor) -> Tensor:
        return (kernel @ x[:, :, None])[:, :, 0]

    return _newton(start, product, gap, solve, lambda _, reached: reached, outcomes, offset, mask)[0]


def _newton(
    start: Tensor,
    product: Latent,
    gap_at: Callable[[Tensor, Tensor], Tensor],
    solve: Callable[[Tensor, Tensor], Tensor],
    paired: Callable[[Tensor, Tensor], Tensor],
    outcomes: PlacedOutcomes,
    offset: Tensor,
    mask: Tensor,
) -> tuple[Tensor, Tensor]:
    """Take Newton steps of B fits until all have arrived; return their unknowns and latent scores.

    Args:
        start: (B, N) unknowns x to begin from.
        product: (B, T) latent scores, less the offset, of unknowns.
        gap_at: (B, N) what is missing, given unknowns and latent scores.
        solve: (B, N) step, given latent scores and what is missing.
        paired: What x is multiplied by in the prior's xᵀ K x: x itself in weight space, its latent scores in the dual.
        outcomes, offset, mask: (B, T).
    """

    def log_posterior(x: Tensor, reached: Tensor) -> Tensor:
        likely = (outcomes.log_likelihood(reached + offset) * mask).sum(dim=1)
        return likely - (x * paired(x, reached)).sum(dim=1) / 2

    x, latent = start, product(start)
    best = log_posterior(x, latent)
    for _ in range(NEWTON_STEPS):
        gap = gap_at(x, latent + offset)
        # 1. Users of a batch go on together; one that has arrived takes steps of next to nothing.
        if not len(gap) or gap.abs().max() < GAP_TOLERANCE:
            break
        step = solve(latent + offset, gap)
        # 2. The product is computed once, so that halving a step costs none.
        along, size = product(step), step.new_ones(len(step), 1)
        for _ in range(HALVINGS):
            worse = log_posterior(x + size * step, latent + size * along) < best - 1e-9 * best.abs()
            if not worse.any():
                break
            size = torch.where(worse[:, None], size / 2, size)
        x, latent = x + size * step, latent + size * along
        best = log_posterior(x, latent)
    return x, latent + offset


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Return the solutions of B positive definite systems, given (B, N, N) and (B, N) numbers."""
    return torch.cholesky_solve(right[:, :, None], torch.linalg.cholesky(matrix))[:, :, 0]
