"""Say where batched solves run, and bring numbers there and back."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

DTYPE = torch.float64
"""Of every solve: the modes are wanted to nine digits, which single precision does not have."""


WORTH_MOVING = 2e6
"""Multiplications of a Newton step from which a GPU is faster than the processor.

Measured on an H100 beside sixteen cores (docs/performance.md): 32 users of 16 votes each (1.3e5) take five times as
long on the GPU, whose every operation costs a launch; 256 of them (1e6) the same; 256 of 40 votes (1.6e7) a quarter.
"""


def solver_device(work: float = math.inf) -> torch.device:
    """Return the GPU of this process where there is one and the work is worth moving there, else the processor.

    Args:
        work: Multiplications of one step, about.
    """
    if work < WORTH_MOVING or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def devices() -> list[torch.device]:
    """Return every kind of device that is at hand, the processor first."""
    return list(dict.fromkeys([torch.device("cpu"), solver_device()]))


def placed(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array as a tensor on a device; on the processor the two share their memory."""
    found = torch.as_tensor(values)
    return found.to(device, DTYPE if found.is_floating_point() else found.dtype)


def fetched(values: Tensor) -> np.ndarray:
    """Return a tensor of any device as an array."""
    return values.detach().cpu().numpy()
