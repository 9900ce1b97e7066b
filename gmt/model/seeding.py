"""Seed PyTorch's own generators for one block of code, and leave them as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, devices: Sequence[int] = ()) -> Iterator[None]:
    """Draw from generators seeded with `seed` inside the block; the state before it comes back after.

    Layers of `torch.nn` initialise themselves, and dropout draws, from PyTorch's default generator and take no other.
    This gives such code a seed of its own without setting one for whoever runs beside or after it.

    Limitations: PyTorch's default generator belongs to the whole process, so a thread that draws from it meanwhile
    draws the seeded numbers too.

    Args:
        seed: Of the default generator of the CPU, and of those of `devices`.
        devices: Numbers of the CUDA devices that the block draws on.
    """
    with torch.random.fork_rng(devices=list(devices)):
        # Generator by generator, for `torch.manual_seed` would also seed devices whose state is not restored.
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield
