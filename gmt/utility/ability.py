"""Hold how likely each model's answer to a query is right, and the prior of abilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

NODES, _NODE_SIZES = np.polynomial.hermite_e.hermegauss(7)
NODE_WEIGHTS = _NODE_SIZES / _NODE_SIZES.sum()
"""Gauss–Hermite nodes and weights of a standard normal; seven integrate a sigmoid of it to three digits."""
FIRST_NOISE = 0.1
"""Where the noise between two utilities starts and is drawn to: a tenth of the quality of a right answer."""
FIRST_LAPSE = -3.0
"""Where the logit of the share of votes given by chance starts and is drawn to: five in a hundred."""
INTERCEPT_VARIANCE = 2.0
"""Prior variance of a model's ability over all tasks, in squared logits."""
TASK_VARIANCE = 3.0
"""Prior variance of its ability in one task around that; specialised models differ more than general ones."""
COMMON = 4.0
"""How much more than between models the difficulty of tasks varies, as a multiple of the variances above."""
COMMON_TEXT_VARIANCE = 0.1
"""Prior variance of what each feature of a text does to the difficulty for all models."""


@dataclass(frozen=True, eq=False)
class Ability:
    """Hold how likely each model's answer to a query is right: E_z σ(xᵀ w_m + s_t z), z ~ N(0, 1).

    The difficulty z of the very query is shared by the models, so that on hard queries all fail together.

    Source: Rasch (1960) for the logistic of ability less difficulty; Bock and Aitkin (1981) for its marginal by
    quadrature.

    Args:
        weights: (D, M) w.
        log_difficulty_scale: (T + 1,) logs of s, how much difficulty differs between the queries of a task.
        log_noise: Log of the noise of a comparison of two utilities.
        lapse: Logit of the share of votes given by chance.
    """

    weights: np.ndarray
    log_difficulty_scale: np.ndarray
    log_noise: float
    lapse: float

    @classmethod
    def unknown(cls, features: int, models: int, tasks: int) -> Ability:
        """Return that of D features, M models and T tasks before anything is observed."""
        return cls(np.zeros((features, models)), np.zeros(tasks + 1), float(np.log(FIRST_NOISE)), FIRST_LAPSE)

    def chances(self, features: np.ndarray, task: np.ndarray) -> np.ndarray:
        """Return the (C, M) chances that each model's answer is right."""
        logit = features @ self.weights
        scale = np.exp(self.log_difficulty_scale[task])[:, None]
        out = np.zeros_like(logit)
        # Node by node, so that (C, M) numbers are held and not seven times as many.
        for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
            out += weight * expit(logit + scale * node)
        return out

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return weights, log_difficulty_scale, log_noise and lapse in double precision."""
        values = (self.weights, self.log_difficulty_scale, self.log_noise, self.lapse)
        weights, scale, noise, lapse = (torch.tensor(value, dtype=torch.float64) for value in values)
        return weights, scale, noise, lapse


@dataclass(frozen=True, eq=False)
class AbilityPrior:
    """Hold the prior standard deviations of a constant, T tasks and the text features: w_m = c + v_m, both normal.

    Args:
        own: (D, 1) of v, what each feature does to one model.
        common: (D, 1) of c, what each does to all.
    """

    own: np.ndarray
    common: np.ndarray

    @classmethod
    def of(cls, width: int, tasks: int, text_variance: float) -> AbilityPrior:
        """Return that of D features, the first a constant, the next T the tasks."""
        text = max(width - tasks - 1, 0)
        # Features are standardised texts behind a constant and one indicator for each task.
        first = np.concatenate([[INTERCEPT_VARIANCE], np.full(tasks, TASK_VARIANCE)])
        own = np.concatenate([first, np.full(text, text_variance)])
        common = np.concatenate([COMMON * first, np.full(text, COMMON_TEXT_VARIANCE)])
        return cls(np.sqrt(own)[:, None], np.sqrt(common)[:, None])

    def split(self, weights: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return what models have in common (D, 1) and their own (D, M), in units of the deviations."""
        # In units of the deviations every part is standard normal, so the prior is half a sum of squares and L-BFGS
        # meets one scale.
        common = weights.mean(axis=1, keepdims=True)
        parts = ((common, self.common), (weights - common, self.own))
        # What has no variance is 0 and stays it.
        first, second = (
            torch.tensor(np.where(size > 0, part / np.where(size > 0, size, 1.0), 0.0), requires_grad=True)
            for part, size in parts
        )
        return first, second

    def joined(self, common: Tensor, own: Tensor) -> Tensor:
        """Return the (D, M) weights."""
        return torch.tensor(self.common) * common + torch.tensor(self.own) * own
