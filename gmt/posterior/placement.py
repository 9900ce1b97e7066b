"""Say where batched solves run, and bring numbers there and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

DTYPE = torch.float64
"""Of every solve: the modes are wanted to nine digits, which single precision does not have."""


def solver_device() -> torch.device:
    """Return the GPU of this process where there is one, else the processor."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


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
