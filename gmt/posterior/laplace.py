"""Find the most likely latent scores behind votes under a normal prior, for any way to solve with its kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

NEWTON_STEPS = 30
"""Most Newton steps; a handful does, for the log posterior is concave."""
GAP_TOLERANCE = 1e-9
"""Largest |y - p - α| at which the mode counts as reached."""
HALVINGS = 8
"""How often a step that overshoots is halved."""

Product = Callable[[np.ndarray], np.ndarray]
Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def laplace_mode(
    apply: Product,
    solve: Solve,
    y: np.ndarray,
    offset: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the dual weights α of B independent logistic fits with latent scores z = K α.

    The mode maximises Σ (y z' - log(1 + e^z')) - ½ zᵀ K⁻¹ z with z' = z + offset; a tie enters as y = ½. There
    α = y - p, p = sigmoid(z'), so a step solves (I + W K) Δα = y - p - α, W = p (1 - p), which forgives a solver that
    is not exact. A step that makes votes and prior together less likely is halved.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 3.4.

    Args:
        apply: Product of K with (B, T) numbers.
        solve: Given W and r, both (B, T), returns Δ with (I + W K) Δ = r.
        y, offset: (B, T) outcomes in [0, 1] and what is known of the latent scores.
        mask: (B, T) false under padding.
        start: (B, T) α to begin from, 0 by default.

    Returns:
        (B, T) α, 0 under padding.
    """
    alpha = np.zeros(y.shape) if start is None else start
    latent = alpha if start is None else apply(alpha)
    reached = _log_posterior(alpha, latent, y, offset, mask)
    for _ in range(NEWTON_STEPS):
        chance = expit(latent + offset)
        gap = np.where(mask, y - chance - alpha, 0.0)
        # 1. Users of a batch go on together; one that has arrived takes steps of next to nothing.
        if np.abs(gap).max(initial=0.0) < GAP_TOLERANCE:
            break
        step = solve(chance * (1 - chance) * mask, gap)
        # 2. K Δα is computed once, so that halving a step costs no product.
        along, size = apply(step), np.ones((len(y), 1))
        for _ in range(HALVINGS):
            after = _log_posterior(alpha + size * step, latent + size * along, y, offset, mask)
            # Rounding near the mode is no overshoot, hence the tolerance.
            worse = after < reached - 1e-9 * np.abs(reached)
            if not worse.any():
                break
            size = np.where(worse[:, None], size / 2, size)
        # 3. A step still too long after all halvings is taken all the same; the next one has a curvature of its own.
        alpha, latent = alpha + size * step, latent + size * along
        reached = _log_posterior(alpha, latent, y, offset, mask)
    return alpha


def _log_posterior(
    alpha: np.ndarray, latent: np.ndarray, y: np.ndarray, offset: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Return the (B,) log posterior up to a constant."""
    logit = latent + offset
    likely = (y * logit - np.logaddexp(0, logit)) * mask
    # zᵀ K⁻¹ z is αᵀ z where z = K α, so the prior needs no inverse, and K may be singular.
    return likely.sum(axis=1) - (alpha * latent).sum(axis=1) / 2
