"""Infer how each person weighs quality against cost, and how good answers are, from votes or rewards alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

GRID = np.linspace(0.0, 1.0, 41)
"""The weights of quality, α, that a person may have."""
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
NOISE, LAPSE = 0.1, -3.0
"""Where the noise between two utilities and the logit of votes given by chance start and are drawn to."""
SPREAD, PARTLY = 0.02, 0.1
"""Noise of a reward, and the chance that an answer is neither right nor wrong but partly right."""
INTERCEPT_VARIANCE, TASK_VARIANCE = 2.0, 3.0
COMMON, COMMON_TEXT = 4.0, 0.1
"""How much more than between models the difficulty of tasks varies, as a multiple; and the variance of what each
feature of a text does to the difficulty for all models."""
NEWCOMER = 0.5
"""Deviations of a new model from what its text tells, as a multiple of those of models from each other."""
ROUNDS, STEPS, TOLERANCE = 3, 80, 1e-7
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Hold what people told: V votes between two answers, or V rewards of one.

    Args:
        features: (Q, D) what is known of each query.
        task: (Q,) codes, the last for queries of no known task.
        user: (V,) codes.
        query: (V,) rows of `features`.
        a, b: (V,) models; b is -1 where a reward was told.
        cost_a, cost_b: (V,) shares in [0, 1].
        y: (V,) 1 where a won, 0 where b did, 0.5 for a tie; or the reward of a.
        comparison: (V,) positions in the table these were read from.
    """

    features: np.ndarray
    task: np.ndarray
    user: np.ndarray
    query: np.ndarray
    a: np.ndarray
    b: np.ndarray
    cost_a: np.ndarray
    cost_b: np.ndarray
    y: np.ndarray
    comparison: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def votes(self) -> bool:
        """Whether these are votes."""
        return bool((self.b >= 0).any())

    def select(self, positions: np.ndarray) -> Outcomes:
        """Return those at `positions` (indices or a mask)."""
        names = ("user", "query", "a", "b", "cost_a", "cost_b", "y", "comparison")
        return replace(self, **{name: getattr(self, name)[positions] for name in names})


@dataclass(frozen=True, eq=False)
class Ability:
    """Hold how likely each model's answer to a query is right: σ(features · weights + task spread · difficulty).

    The difficulty of the very query is standard normal and shared by the models, so that on hard tasks all
    fail together.

    Args:
        weights: (D, M).
        log_spread: (T + 1,) logs of how much difficulty differs between the queries of a task.
        log_noise: Log of the noise of a comparison of two utilities.
        lapse: Logit of the share of votes given by chance.
    """

    weights: np.ndarray
    log_spread: np.ndarray
    log_noise: float
    lapse: float

    def chances(self, features: np.ndarray, task: np.ndarray) -> np.ndarray:
        """Return the (C, M) chances that each model's answer is right."""
        logit = features @ self.weights
        spread = np.exp(self.log_spread[task])[:, None]
        out = np.zeros_like(logit)
        for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
            out += weight * expit(logit + spread * node)
        return out


def log_likelihoods(outcomes: Outcomes, ability: Ability) -> np.ndarray:
    """Return (V, G) log likelihoods of every outcome under every weight of `GRID`."""
    out = np.zeros((len(outcomes), len(GRID)))
    right = np.zeros((0, 0)) if outcomes.votes else ability.chances(outcomes.features, outcomes.task)
    for start in range(0, len(outcomes), ROWS_AT_ONCE):
        part = outcomes.select(np.arange(start, min(start + ROWS_AT_ONCE, len(outcomes))))
        if outcomes.votes:
            with torch.inference_mode():
                found = _vote_log_likelihoods(part, *_tensors(ability)).numpy()
        else:
            found = _reward_log_likelihoods(part, right[part.query, part.a])
        out[start : start + len(part)] = found
    return out


def weigh(user: np.ndarray, log_likelihood: np.ndarray, users: int) -> np.ndarray:
    """Return (U, G) posterior chances of each weight under an even prior, given (V, G) log likelihoods."""
    total = np.zeros((users, len(GRID)))
    np.add.at(total, user, log_likelihood)
    total -= total.max(axis=1, keepdims=True)
    chances = np.exp(total)
    return chances / chances.sum(axis=1, keepdims=True)


def fit_ability(
    outcomes: Outcomes, users: int, models: int, tasks: int, text_variance: float, start: Ability | None = None
) -> Ability:
    """Find the likeliest abilities given what people told, their weights of quality being unknown.

    Votes are fitted by their marginal likelihood over everybody's α. Rewards tell α almost exactly, so
    that abilities and α are fitted in turn. Any α is thought as likely as any other.

    Args:
        outcomes: The visible votes or rewards.
        users, models, tasks: U, M, T.
        text_variance: Prior variance of what each feature of the text does to a model's ability.
        start: Abilities to begin from; they change how long this takes.
    """
    size = Deviations.of(outcomes.features.shape[1], tasks, text_variance)
    ability = start or Ability(np.zeros((len(size.own), models)), np.zeros(tasks + 1), float(np.log(NOISE)), LAPSE)
    if not len(outcomes):
        return ability
    if outcomes.votes:
        return _fit_votes(outcomes, ability, size, users)
    for _ in range(ROUNDS):
        chances = weigh(outcomes.user, log_likelihoods(outcomes, ability), users)
        ability = _fit_rewards(outcomes, ability, size, chances)
    return ability


def fit_newcomers(outcomes: Outcomes, ability: Ability, known: int, size: np.ndarray, chances: np.ndarray) -> Ability:
    """Return the abilities with those of models beyond the first `known` moved by what was told of them.

    Args:
        outcomes: Votes or rewards that touch the new models; others are passed over.
        ability: What texts tell of the new models; the known ones keep what they have.
        known: How many models were trained.
        size: (D, 1) prior deviations of models from each other.
        chances: (U, G) everybody's α.
    """
    told = outcomes.select((outcomes.a >= known) | (outcomes.b >= known))
    if not len(told):
        return ability
    start = torch.tensor(ability.weights)
    new = torch.zeros(start.shape[0], start.shape[1] - known, dtype=torch.float64, requires_grad=True)
    size = NEWCOMER * size
    unit, weight = torch.tensor(size), torch.tensor(chances[told.user])
    spread, noise, lapse = _tensors(ability)[1:]

    def loss() -> Tensor:
        weights = torch.cat([start[:, :known], start[:, known:] + unit * new], dim=1)
        if told.votes:
            found = _vote_log_likelihoods(told, weights, spread, noise, lapse)
            fit = -torch.logsumexp(found + weight.clamp_min(1e-12).log(), dim=1).sum()
        else:
            fit = _reward_loss(told, weights, spread, weight @ torch.tensor(GRID))
        return fit + 0.5 * (new**2).sum()

    _minimise([new], loss)
    moved = ability.weights[:, known:] + size * new.detach().numpy()
    return replace(ability, weights=np.concatenate([ability.weights[:, :known], moved], axis=1))


@dataclass(frozen=True, eq=False)
class Deviations:
    """Hold the prior standard deviations of a constant, T tasks and the text features.

    Args:
        own: (D, 1) of what each does to one model.
        common: (D, 1) of what each does to all.
    """

    own: np.ndarray
    common: np.ndarray

    @classmethod
    def of(cls, width: int, tasks: int, text_variance: float) -> Deviations:
        """Return those of D features, the first a constant, the next T the tasks."""
        text = max(width - tasks - 1, 0)
        first = np.concatenate([[INTERCEPT_VARIANCE], np.full(tasks, TASK_VARIANCE)])
        own = np.concatenate([first, np.full(text, text_variance)])
        common = np.concatenate([COMMON * first, np.full(text, COMMON_TEXT)])
        return cls(np.sqrt(own)[:, None], np.sqrt(common)[:, None])

    def split(self, weights: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return what models have in common (D, 1) and their own (D, M), in units of the deviations."""
        common = weights.mean(axis=1, keepdims=True)
        parts = ((common, self.common), (weights - common, self.own))
        first, second = (
            torch.tensor(np.where(size > 0, part / np.where(size > 0, size, 1.0), 0.0), requires_grad=True)
            for part, size in parts
        )
        return first, second

    def joined(self, common: Tensor, own: Tensor) -> Tensor:
        """Return the (D, M) weights."""
        return torch.tensor(self.common) * common + torch.tensor(self.own) * own


def _tensors(ability: Ability) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    values = (ability.weights, ability.log_spread, ability.log_noise, ability.lapse)
    weights, spread, noise, lapse = (torch.tensor(value, dtype=torch.float64) for value in values)
    return weights, spread, noise, lapse


def _chances(outcomes: Outcomes, weights: Tensor, spread: Tensor) -> Tensor:
    """Return (Q, M, N) chances of being right at every node of difficulty."""
    logit = torch.tensor(outcomes.features) @ weights
    own = spread.exp()[torch.tensor(outcomes.task)]
    return torch.sigmoid(logit[:, :, None] + own[:, None, None] * torch.tensor(NODES))


def _vote_log_likelihoods(outcomes: Outcomes, weights: Tensor, spread: Tensor, noise: Tensor, lapse: Tensor) -> Tensor:
    """Return (V, G): the chance of the vote over who of the two is right, at every α."""
    chances = _chances(outcomes, weights, spread)
    right_a, right_b = (chances[outcomes.query, models] for models in (outcomes.a, outcomes.b))
    share = torch.tensor(NODE_WEIGHTS)
    only_a, only_b = (right_a * (1 - right_b)) @ share, ((1 - right_a) * right_b) @ share
    alpha = torch.tensor(GRID)
    cheaper = (1 - alpha) * torch.tensor(outcomes.cost_b - outcomes.cost_a)[:, None]
    wins = only_a[:, None] * torch.sigmoid((cheaper + alpha) / noise.exp())
    wins = wins + only_b[:, None] * torch.sigmoid((cheaper - alpha) / noise.exp())
    wins = wins + (1 - only_a - only_b)[:, None] * torch.sigmoid(cheaper / noise.exp())
    chance = torch.sigmoid(lapse)
    wins = (chance / 2 + (1 - chance) * wins).clamp(1e-9, 1 - 1e-9)
    y = torch.tensor(outcomes.y)[:, None]
    return y * wins.log() + (1 - y) * (1 - wins).log()


def _reward_log_likelihoods(outcomes: Outcomes, right: np.ndarray) -> np.ndarray:
    """Return (V, G): a reward is α less the cost if right, less the cost alone if wrong, or between if partly right."""
    scaled = outcomes.y[:, None] + (1 - GRID) * outcomes.cost_a[:, None]  # α times the score
    size = max(SPREAD, GRID[1] - GRID[0])

    def near(gap: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * (gap / size) ** 2) / (size * np.sqrt(2 * np.pi))

    inside = (scaled > -size) & (scaled < GRID + size)
    between = inside / (GRID + 2 * size)
    clear = right[:, None] * near(scaled - GRID) + (1 - right[:, None]) * near(scaled)
    return np.log((1 - PARTLY) * clear + PARTLY * between + 1e-9)


def _fit_votes(outcomes: Outcomes, ability: Ability, size: Deviations, users: int) -> Ability:
    common, own = size.split(ability.weights)
    spread, noise, lapse = (value.requires_grad_() for value in _tensors(ability)[1:])
    user = torch.tensor(outcomes.user)

    def loss() -> Tensor:
        found = _vote_log_likelihoods(outcomes, size.joined(common, own), spread, noise, lapse)
        total = torch.zeros(users, len(GRID), dtype=torch.float64).index_add(0, user, found)
        held = sum((part**2).sum() for part in (common, own, spread, noise - np.log(NOISE), lapse - LAPSE))
        return 0.5 * held - torch.logsumexp(total, dim=1).sum()

    _minimise([common, own, spread, noise, lapse], loss)
    weights = size.joined(common, own).detach().numpy()
    return Ability(weights, spread.detach().numpy(), noise.item(), lapse.item())


def _reward_loss(outcomes: Outcomes, weights: Tensor, spread: Tensor, alpha: Tensor) -> Tensor:
    """Return the log loss of how right every answer was, which a reward tells where α is known.

    An outcome of somebody who does not mind quality tells nothing of it, and counts for nothing.
    """
    cost = torch.tensor(outcomes.cost_a)
    right = ((torch.tensor(outcomes.y) + (1 - alpha) * cost) / alpha.clamp_min(1e-3)).clamp(0, 1)
    chance = (_chances(outcomes, weights, spread) @ torch.tensor(NODE_WEIGHTS))[outcomes.query, outcomes.a]
    losses = torch.nn.functional.binary_cross_entropy(chance.clamp(1e-6, 1 - 1e-6), right, reduction="none")
    return (alpha.clamp_max(1) * losses).sum()


def _fit_rewards(outcomes: Outcomes, ability: Ability, size: Deviations, chances: np.ndarray) -> Ability:
    """Fit abilities to rewards; their means need no spread of difficulty, so it stays as it is."""
    common, own = size.split(ability.weights)
    alpha, spread = torch.tensor(chances[outcomes.user] @ GRID), _tensors(ability)[1]

    def loss() -> Tensor:
        fit = _reward_loss(outcomes, size.joined(common, own), spread, alpha)
        return fit + 0.5 * ((own**2).sum() + (common**2).sum())

    _minimise([common, own], loss)
    return replace(ability, weights=size.joined(common, own).detach().numpy())


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """Run L-BFGS on a loss of all the data."""
    optimiser = torch.optim.LBFGS(parameters, max_iter=STEPS, tolerance_change=TOLERANCE, history_size=20,
                                  line_search_fn="strong_wolfe")  # fmt: skip

    def closure() -> Tensor:
        optimiser.zero_grad()
        found = loss()
        found.backward()
        return found

    optimiser.step(closure)
