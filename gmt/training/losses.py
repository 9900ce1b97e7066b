"""Say how wrong scores are about the ratings of a comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmt.config import TrainConfig
from gmt.routing.pairwise import rated_pairs

SHARPNESS = 10.0
"""What scores are to a rating in the squared loss, so that they are about as large as under the other losses."""


def loss_of(config: TrainConfig, scores: Tensor, rating: Tensor) -> tuple[Tensor, int]:
    """Return the sum of the loss that the settings name, and over how many pairs or comparisons it is."""
    if config.loss == "choice":
        return choice_loss(scores, rating)
    return reward_loss(scores, rating) if config.loss == "reward" else pairwise_loss(scores, rating, config.ties)


def pairwise_loss(scores: Tensor, rating: Tensor, ties: str = "half") -> tuple[Tensor, int]:
    """Add up softplus(-y (s1 - s2)) over the pairs of rated candidates that `rated_pairs` takes of each comparison.

    Args:
        scores: (C, K), -inf under padding.
        rating: (C, K), NaN where unrated.
        ties: `half` counts a tie as half a win for each side; `ignore` leaves ties out.

    Returns:
        The sum of the losses and the number of pairs in it.

    Source: GMTRouter (arXiv 2511.08590), pairwise objective.
    """
    # Which pairs there are is a matter of the mask alone, so it is found on the CPU by the code that routers share.
    pairs = rated_pairs(~torch.isnan(rating).cpu().numpy())
    at, first, second = (torch.from_numpy(part).to(scores.device) for part in pairs)
    gap = rating[at, first] - rating[at, second]
    margin = scores[at, first] - scores[at, second]
    if ties == "ignore":
        gap, margin = gap[gap != 0], margin[gap != 0]
    # 1 where the first was rated higher, 0 where lower, 0.5 for a tie: how much higher is not used.
    win = 0.5 + 0.5 * torch.sign(gap)
    loss = nn.functional.binary_cross_entropy_with_logits(margin, win, reduction="sum")
    return loss, len(gap)


def choice_loss(scores: Tensor, rating: Tensor) -> tuple[Tensor, int]:
    """Add up -log of the chance that the softmax of the rated candidates gives the best one; equal bests share it.

    Args:
        scores: (C, K), -inf under padding.
        rating: (C, K), NaN where unrated.

    Returns:
        The sum of the losses and the number of comparisons with two or more rated candidates.

    Source: PersonalizedRouter (arXiv 2511.16883), softmax over candidates.
    """
    rated, kept = _compared(rating)
    best = torch.where(rated, rating, -torch.inf)
    share = (best == best.amax(dim=1, keepdim=True)).to(scores.dtype)[kept]
    # Filled twice: -inf keeps the unrated out of the softmax, and 0 keeps their 0 · -inf from being NaN.
    chance = torch.log_softmax(scores.masked_fill(~rated, -torch.inf)[kept], dim=1).masked_fill(~rated[kept], 0.0)
    return -(share / share.sum(dim=1, keepdim=True) * chance).sum(), int(kept.sum())


def reward_loss(scores: Tensor, rating: Tensor) -> tuple[Tensor, int]:
    """Add up squared errors of scores around their mean against `SHARPNESS` times ratings around theirs.

    Args:
        scores: (C, K), -inf under padding.
        rating: (C, K), NaN where unrated.

    Returns:
        The sum over rated candidates, and how many they are.
    """
    rated, kept = _compared(rating)
    used = rated & kept[:, None]
    count = used.sum(dim=1, keepdim=True).clamp_min(1)

    # Around the comparison's own means: scores have no zero, only their differences count.
    def centred(values: Tensor) -> Tensor:
        # `where` and not a product, since padding is -inf or NaN, and in the gradient too.
        values = torch.where(used, values, 0.0)
        return torch.where(used, values - values.sum(dim=1, keepdim=True) / count, 0.0)

    return (centred(scores) - SHARPNESS * centred(rating)).square().sum(), int(used.sum())


def _compared(rating: Tensor) -> tuple[Tensor, Tensor]:
    """Return (C, K) where a candidate is rated, and (C,) where two or more are."""
    rated = ~torch.isnan(rating)
    return rated, rated.sum(dim=1) > 1
