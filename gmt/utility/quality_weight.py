"""Hold the grid of weights of quality against cost that a user may have, and their posterior on it."""

from __future__ import annotations

import numpy as np

GRID = np.linspace(0.0, 1.0, 41)
"""The weights α of quality that a user may have; steps of 0.025 are finer than votes can tell apart."""
EVEN = np.full(len(GRID), 1 / len(GRID))
"""The prior before any user was observed: every weight alike."""


def weight_posterior(user: np.ndarray, log_likelihood: np.ndarray, users: int) -> np.ndarray:
    """Return (U, G) posterior of each user's α under an even prior: P(α | y) ∝ Π_v P(y_v | α).

    Args:
        user: (V,) whose each outcome is.
        log_likelihood: (V, G) log likelihoods of the outcomes under every α of `GRID`.
        users: U.
    """
    total = np.zeros((users, len(GRID)))
    np.add.at(total, user, log_likelihood)
    # The largest becomes exp(0), so that many outcomes underflow only where it does not matter.
    total -= total.max(axis=1, keepdims=True)
    chances = np.exp(total)
    return chances / chances.sum(axis=1, keepdims=True)
