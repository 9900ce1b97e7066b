"""Say how wrong scores are about the ratings of a comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pairwise_loss(scores: Tensor, rating: Tensor, ties: str = "half") -> tuple[Tensor, int]:
    """Add up softplus(-y (s1 - s2)) over all rated pairs of each comparison.

    Args:
        scores: (C, K), -inf under padding.
        rating: (C, K), NaN where unrated.
        ties: `half` counts a tie as half a win for each side; `ignore` leaves ties out.

    Returns:
        The sum of the losses and the number of pairs in it.

    Source: GMTRouter (arXiv 2511.08590), pairwise objective.
    """
    width = scores.shape[1]
    first, second = torch.triu_indices(width, width, 1, device=scores.device)
    gap = rating[:, first] - rating[:, second]
    keep = ~torch.isnan(gap)
    if ties == "ignore":
        keep &= gap != 0
    margin = (scores[:, first] - scores[:, second])[keep]
    win = 0.5 + 0.5 * torch.sign(gap[keep])
    loss = nn.functional.binary_cross_entropy_with_logits(margin, win, reduction="sum")
    return loss, int(keep.sum())
