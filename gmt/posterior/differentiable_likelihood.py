"""Let gradients pass through the likelihood of outcomes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmt.posterior.likelihood import Outcomes


class _LogLikelihood(torch.autograd.Function):
    """Hold ℓ with its derivative in closed form: thresholds are constants here, scores are learned through."""

    @staticmethod
    def forward(ctx: Any, logit: Tensor, outcomes: Outcomes) -> Tensor:
        at = logit.detach().double().numpy()
        ctx.save_for_backward(torch.from_numpy(outcomes.residual(at)).to(logit.dtype))
        return torch.from_numpy(outcomes.log_likelihood(at)).to(logit.dtype)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None]:
        (residual,) = ctx.saved_tensors
        return gradient[0] * residual, None


def log_likelihood(outcomes: Outcomes, logit: Tensor) -> Tensor:
    """Return (…) ℓ of outcomes at latent scores, differentiable in the scores."""
    return _LogLikelihood.apply(logit, outcomes)  # pyright: ignore[reportReturnType]
