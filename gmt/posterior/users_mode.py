"""Find the modes of a batch of users from the kernels between their votes, where that is fastest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from gmt.posterior.kernel_terms import precision
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.likelihood import Outcomes

if TYPE_CHECKING:
    import torch


def users_mode(
    kernel: np.ndarray,
    outcomes: Outcomes,
    offset: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray | None = None,
    device: torch.device | None = None,
) -> np.ndarray:
    """Return (B, T) dual weights α of B users' modes K α: in torch on a GPU, in NumPy on the processor.

    On a processor NumPy solves many small systems in two thirds of the time of torch.

    Args:
        kernel: (B, T, T) K.
        outcomes, offset, mask, start: (B, T), as `laplace_mode` has them.
        device: Where to solve; by default this process's GPU, where one is at hand, torch is loaded and it is worth it.
    """
    # Loading torch takes longer than the few users whom a process without it solves for.
    if device is None and "torch" in sys.modules:
        from gmt.posterior.placement import solver_device

        # T³ for factors of each of B systems.
        device = solver_device(float(len(kernel)) * kernel.shape[1] ** 3)
    if device is None or device.type == "cpu":
        return laplace_mode(
            lambda x: (kernel @ x[:, :, None])[:, :, 0],
            lambda weight, x: np.linalg.solve(precision(kernel, weight), x[:, :, None])[:, :, 0],
            outcomes,
            offset,
            mask,
            start,
        )
    from gmt.posterior.batched_modes import mode_of_votes
    from gmt.posterior.placed_outcomes import PlacedOutcomes
    from gmt.posterior.placement import fetched, placed

    begin = np.zeros(offset.shape) if start is None else start
    there = (placed(part, device) for part in (offset, mask, begin))
    return fetched(mode_of_votes(placed(kernel, device), PlacedOutcomes.of(outcomes, device), *there))
