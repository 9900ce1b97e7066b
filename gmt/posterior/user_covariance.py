"""Say how user effects vary before anything is learned, and carry a learned covariance over to new models."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from gmt.posterior.hierarchical_settings import HierarchicalSettings


def initial_covariance(
    settings: HierarchicalSettings, strength_kernel: np.ndarray, lenient: bool = False
) -> np.ndarray:
    """Return S₀, (M + 2, M + 2): user_variance · K_b over models, then position bias and discrimination.

    Args:
        settings: The variances.
        strength_kernel: (M, M) K_b.
        lenient: Whether answers were judged alone, so that leniency joins behind them.
    """
    own = settings.user_variance * strength_kernel
    beside = [settings.position_bias_variance, settings.discrimination_variance]
    return block_diag(own, np.diag([*beside, settings.leniency_variance] if lenient else beside))


def extended_covariance(learned: np.ndarray, prior: np.ndarray, beside: int = 2) -> np.ndarray:
    """Carry a learned covariance over to models that it does not know.

    Effects on a new model are, given those on the known ones, distributed as under the prior: with
    C = P_no P_oo⁻¹ the new blocks are C L and P_nn - C P_on + C L Cᵀ.

    Args:
        learned: (L + 2, L + 2) covariance L over the first L models, position bias and discrimination.
        prior: (M + 2, M + 2) covariance P over all M models, position bias and discrimination.
        beside: How many effects stand behind the models: 3 with leniency.
    """
    known, models = len(learned) - beside, len(prior) - beside
    if models <= known:
        return learned
    # Position bias and discrimination stand behind all models, and so move when models join.
    old = np.r_[:known, models : models + beside]
    new = np.arange(known, models)
    among = prior[np.ix_(old, old)]
    among = among + np.diag(np.where(np.diag(among) == 0, 1.0, 0.0))  # what has no variance carries nothing over
    carry = np.linalg.solve(among, prior[np.ix_(old, new)]).T
    out = np.zeros_like(prior)
    out[np.ix_(old, old)] = learned
    # A new model inherits what was learned of those it is near, and keeps the prior's doubt about the rest.
    out[np.ix_(new, old)] = carry @ learned
    out[np.ix_(old, new)] = out[np.ix_(new, old)].T
    rest = prior[np.ix_(new, new)] - carry @ prior[np.ix_(old, new)]
    out[np.ix_(new, new)] = rest + carry @ learned @ carry.T
    return out
