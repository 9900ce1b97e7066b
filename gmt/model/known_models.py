"""Say what is learned of models one by one, and of those that were not trained on."""

from __future__ import annotations

import torch
from torch import Tensor


def pad_rows(values: Tensor, count: int) -> Tensor:
    """Return (M, …) values with zero rows appended for models that were not trained on."""
    if len(values) >= count:
        return values[:count]
    return torch.cat([values, values.new_zeros(count - len(values), *values.shape[1:])])


def known_models(count: int, trained: int, dropout: float, like: Tensor) -> Tensor:
    """Return (M,) 1 where a model's learned residual may be used, of the type and place of `like`.

    Args:
        count: M.
        trained: How many of them, the first, were trained on.
        dropout: Chance that a residual is hidden; 0 out of training.
        like: Any tensor of the batch.
    """
    known = torch.arange(count, device=like.device) < trained
    if dropout:
        # Hidden at random, so that training also asks for scores by text alone, as a new model needs them.
        known &= torch.rand(count, device=like.device) >= dropout
    return known.to(like.dtype)
