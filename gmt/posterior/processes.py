"""Share the work of a fit between the processes of one training, so that all end with the same numbers."""

from __future__ import annotations

import sys

import numpy as np


def process_count() -> int:
    """Return how many processes fit together: 1 unless `torchrun` or Accelerate started several."""
    if not _together():
        return 1
    from torch import distributed

    return distributed.get_world_size()


def own_share(count: int) -> slice:
    """Return which of `count` things are this process's: equal parts, one behind the other, none left out."""
    processes = process_count()
    if processes == 1:
        return slice(0, count)
    from torch import distributed

    rank = distributed.get_rank()
    return slice(count * rank // processes, count * (rank + 1) // processes)


def total(values: np.ndarray) -> np.ndarray:
    """Return the sum of an array over all processes, the same in each; every process must call it alike.

    Args:
        values: Floats, of one shape in all processes.
    """
    if process_count() == 1:
        return values
    import torch
    from torch import distributed

    from gmt.posterior.placement import solver_device

    # NCCL sums on GPUs alone; gloo takes what lies in memory.
    place = solver_device() if distributed.get_backend() == "nccl" else torch.device("cpu")
    summed = torch.as_tensor(np.ascontiguousarray(values, float)).clone().to(place)
    distributed.all_reduce(summed)
    return summed.cpu().numpy()


def _together() -> bool:
    # Whoever started several processes has loaded torch, which a process that only serves does without.
    if "torch" not in sys.modules:
        return False
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()
