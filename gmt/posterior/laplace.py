"""Find the most likely latent scores behind votes under a normal prior, for any way to solve with its kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmt.posterior.likelihood import Outcomes

NEWTON_STEPS = 30
"""Most Newton steps; a handful does, for the log posterior is concave."""
GAP_TOLERANCE = 1e-9
"""Largest |dℓ/dz - α| at which the mode counts as reached."""
HALVINGS = 8
"""How often a step that overshoots is halved."""

Product = Callable[[np.ndarray], np.ndarray]
Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def laplace_mode(
    apply: Product,
    solve: Solve,
    outcomes: Outcomes,
    offset: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the dual weights α of B independent fits with latent scores z = K α.

    The mode maximises Σ ℓ(z') - ½ zᵀ K⁻¹ z with z' = z + offset, ℓ as `Outcomes` states. There α = dℓ/dz' (y - p of a
    vote), so a step solves (I + W K) Δα = dℓ/dz' - α, W = -d²ℓ/dz'², which forgives a solver that is not exact. A step
    that makes outcomes and prior together less likely is halved.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4.

    Args:
        apply: Product of K with (B, T) numbers.
        solve: Given W and r, both (B, T), returns Δ with (I + W K) Δ = r.
        outcomes: (B, T) what was observed.
        offset: (B, T) what is known of the latent scores.
        mask: (B, T) false under padding.
        start: (B, T) α to begin from, 0 by default.

    Returns:
        (B, T) α, 0 under padding.
    """
    alpha = np.zeros(offset.shape) if start is None else start
    latent = alpha if start is None else apply(alpha)
    reached = _log_posterior(alpha, latent, outcomes, offset, mask)
    for _ in range(NEWTON_STEPS):
        logit = latent + offset
        gap = np.where(mask, outcomes.residual(logit) - alpha, 0.0)
        # 1. Users of a batch go on together; one that has arrived takes steps of next to nothing.
        if np.abs(gap).max(initial=0.0) < GAP_TOLERANCE:
            break
        step = solve(outcomes.curvature(logit) * mask, gap)
        # 2. K Δα is computed once, so that halving a step costs no product.
        along, size = apply(step), np.ones((len(offset), 1))
        for _ in range(HALVINGS):
            after = _log_posterior(alpha + size * step, latent + size * along, outcomes, offset, mask)
            # Rounding near the mode is no overshoot, hence the tolerance.
            worse = after < reached - 1e-9 * np.abs(reached)
            if not worse.any():
                break
            size = np.where(worse[:, None], size / 2, size)
        # 3. A step still too long after all halvings is taken all the same; the next one has a curvature of its own.
        alpha, latent = alpha + size * step, latent + size * along
        reached = _log_posterior(alpha, latent, outcomes, offset, mask)
    return alpha


def _log_posterior(
    alpha: np.ndarray, latent: np.ndarray, outcomes: Outcomes, offset: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Return the (B,) log posterior up to a constant."""
    likely = outcomes.log_likelihood(latent + offset) * mask
    # zᵀ K⁻¹ z is αᵀ z where z = K α, so the prior needs no inverse, and K may be singular.
    return likely.sum(axis=1) - (alpha * latent).sum(axis=1) / 2
