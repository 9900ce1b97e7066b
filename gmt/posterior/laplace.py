"""Find the most likely latent scores behind votes under a normal prior, for any way to solve with its kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

STEPS, TOLERANCE, HALVINGS = 30, 1e-9, 8

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

    At the mode α = y - sigmoid(z + offset), so a step solves (I + W K) Δα = y - chance - α, which
    forgives a solver that is not exact. A step that makes votes and prior together less likely is halved.

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
    reached = _fitness(alpha, latent, y, offset, mask)
    for _ in range(STEPS):
        chance = expit(latent + offset)
        missing = np.where(mask, y - chance - alpha, 0.0)
        if np.abs(missing).max(initial=0.0) < TOLERANCE:
            break
        step = solve(chance * (1 - chance) * mask, missing)
        along, size = apply(step), np.ones((len(y), 1))
        for _ in range(HALVINGS):
            fitness = _fitness(alpha + size * step, latent + size * along, y, offset, mask)
            worse = fitness < reached - 1e-9 * np.abs(reached)
            if not worse.any():
                break
            size = np.where(worse[:, None], size / 2, size)
        alpha, latent = alpha + size * step, latent + size * along
        reached = _fitness(alpha, latent, y, offset, mask)
    return alpha


def _fitness(alpha: np.ndarray, latent: np.ndarray, y: np.ndarray, offset: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the (B,) log posterior up to a constant."""
    logit = latent + offset
    likely = (y * logit - np.logaddexp(0, logit)) * mask
    return likely.sum(axis=1) - (alpha * latent).sum(axis=1) / 2
