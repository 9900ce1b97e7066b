"""Extend learned rows to models that were not trained on."""

from __future__ import annotations

import torch
from torch import Tensor


def pad_rows(values: Tensor, count: int) -> Tensor:
    """Append zero rows for models that were not trained on."""
    if len(values) >= count:
        return values[:count]
    return torch.cat([values, values.new_zeros(count - len(values), *values.shape[1:])])
