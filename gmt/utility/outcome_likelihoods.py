"""Say how likely a vote or a reward is, given abilities and a user's weight of quality."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gmt.utility.ability import NODE_WEIGHTS, NODES, Ability
from gmt.utility.observed_outcomes import ObservedOutcomes
from gmt.utility.quality_weight import GRID

REWARD_NOISE = 0.02
"""Deviation of a reward from the utility; no finer than the grid of α, which could else miss it."""
PARTLY_RIGHT = 0.1
"""Chance that an answer is neither right nor wrong but partly right."""
ROWS_AT_ONCE = 20_000
"""Outcomes whose (V, G) numbers are held at once."""


def log_likelihoods(outcomes: ObservedOutcomes, ability: Ability) -> np.ndarray:
    """Return (V, G) log likelihoods of every outcome under every weight of `GRID`."""
    out = np.zeros((len(outcomes), len(GRID)))
    # Rewards need one chance for a query and model, votes one for each node of difficulty.
    right = np.zeros((0, 0)) if outcomes.votes else ability.chances(outcomes.features, outcomes.task)
    for start in range(0, len(outcomes), ROWS_AT_ONCE):
        part = outcomes.select(np.arange(start, min(start + ROWS_AT_ONCE, len(outcomes))))
        if outcomes.votes:
            with torch.inference_mode():
                found = vote_log_likelihoods(part, *ability.tensors()).numpy()
        else:
            found = _reward_log_likelihoods(part, right[part.query, part.a])
        out[start : start + len(part)] = found
    return out


def chances_of_right(outcomes: ObservedOutcomes, weights: Tensor, log_difficulty_scale: Tensor) -> Tensor:
    """Return (Q, M, N) chances of being right at every node of difficulty, given (D, M) weights and (T + 1,) scales."""
    logit = torch.tensor(outcomes.features) @ weights
    own = log_difficulty_scale.exp()[torch.tensor(outcomes.task)]
    return torch.sigmoid(logit[:, :, None] + own[:, None, None] * torch.tensor(NODES))


def vote_log_likelihoods(
    outcomes: ObservedOutcomes, weights: Tensor, log_difficulty_scale: Tensor, log_noise: Tensor, lapse: Tensor
) -> Tensor:
    """Return (V, G) log likelihoods of votes at every α, given (D, M) weights and (T + 1,) log scales of difficulty.

    With r_a, r_b ∈ {0, 1} for right and wrong, P(a ≻ b) is the mean over them, and over the difficulty they share, of
    σ((α (r_a - r_b) - (1 - α) (cost_a - cost_b)) / noise), mixed with ½ at the rate σ(lapse).

    Source: Bradley and Terry (1952), on utilities; the weight of quality against cost is the question of
    PersonalizedRouter (arXiv 2511.16883).
    """
    chances = chances_of_right(outcomes, weights, log_difficulty_scale)
    right_a, right_b = (chances[outcomes.query, models] for models in (outcomes.a, outcomes.b))
    # Multiplied node by node: whether two answers are right is independent only once the difficulty is given.
    share = torch.tensor(NODE_WEIGHTS)
    # Both right and both wrong leave cost alone to decide, so three cases do.
    only_a, only_b = (right_a * (1 - right_b)) @ share, ((1 - right_a) * right_b) @ share
    alpha = torch.tensor(GRID)
    cheaper = (1 - alpha) * torch.tensor(outcomes.cost_b - outcomes.cost_a)[:, None]
    wins = only_a[:, None] * torch.sigmoid((cheaper + alpha) / log_noise.exp())
    wins = wins + only_b[:, None] * torch.sigmoid((cheaper - alpha) / log_noise.exp())
    wins = wins + (1 - only_a - only_b)[:, None] * torch.sigmoid(cheaper / log_noise.exp())
    chance = torch.sigmoid(lapse)
    # A lapse is a coin; the clamp keeps a vote against all odds at a finite loss.
    wins = (chance / 2 + (1 - chance) * wins).clamp(1e-9, 1 - 1e-9)
    y = torch.tensor(outcomes.y)[:, None]
    return y * wins.log() + (1 - y) * (1 - wins).log()


def _reward_log_likelihoods(outcomes: ObservedOutcomes, right: np.ndarray) -> np.ndarray:
    """Return (V, G): a reward is α less the cost if right, less the cost alone if wrong, or between if partly right.

    With the cost's share added back, y + (1 - α) cost is α · score; its density is a normal around α or 0, or even
    between the two.
    """
    scaled = outcomes.y[:, None] + (1 - GRID) * outcomes.cost_a[:, None]  # α times the score
    size = max(REWARD_NOISE, GRID[1] - GRID[0])

    def near(gap: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * (gap / size) ** 2) / (size * np.sqrt(2 * np.pi))

    # A score between 0 and 1 says that α times it is between 0 and α, give or take the noise.
    inside = (scaled > -size) & (scaled < GRID + size)
    between = inside / (GRID + 2 * size)
    clear = right[:, None] * near(scaled - GRID) + (1 - right[:, None]) * near(scaled)
    # The last term keeps one odd reward from ruling out every α at once.
    return np.log((1 - PARTLY_RIGHT) * clear + PARTLY_RIGHT * between + 1e-9)


def reward_loss(outcomes: ObservedOutcomes, weights: Tensor, log_difficulty_scale: Tensor, alpha: Tensor) -> Tensor:
    """Return the log loss of how right every answer was, which a reward says where α is known.

    An outcome of a user who does not mind quality says nothing of it, and counts for nothing.

    Args:
        outcomes: V rewards.
        weights, log_difficulty_scale: (D, M) and (T + 1,) of the abilities.
        alpha: (V,) weight of quality of each one's user.
    """
    cost = torch.tensor(outcomes.cost_a)
    # Solved for the score; the floor under α only matters where its weight in the sum is next to nothing.
    right = ((torch.tensor(outcomes.y) + (1 - alpha) * cost) / alpha.clamp_min(1e-3)).clamp(0, 1)
    nodes = chances_of_right(outcomes, weights, log_difficulty_scale)
    chance = (nodes @ torch.tensor(NODE_WEIGHTS))[outcomes.query, outcomes.a]
    losses = torch.nn.functional.binary_cross_entropy(chance.clamp(1e-6, 1 - 1e-6), right, reduction="none")
    return (alpha.clamp_max(1) * losses).sum()
