"""Fit abilities to votes or rewards whose users' weights of quality are unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gmt.utility.ability import FIRST_LAPSE, FIRST_NOISE, Ability, AbilityPrior
from gmt.utility.observed_outcomes import ObservedOutcomes
from gmt.utility.outcome_likelihoods import log_likelihoods, reward_loss, vote_log_likelihoods
from gmt.utility.quality_weight import GRID, weight_posterior

NEW_MODEL = 0.5
"""Deviations of a new model from what its text predicts, as a multiple of those of models from each other."""
REWARD_ROUNDS = 3
"""How often abilities and weights are fitted in turn; rewards show both almost exactly, so few do."""
LBFGS_STEPS, LBFGS_TOLERANCE = 80, 1e-7
"""Most steps of a fit, and the change of the loss per step at which it ends."""


def fit_ability(
    outcomes: ObservedOutcomes, users: int, models: int, tasks: int, text_variance: float, start: Ability | None = None
) -> Ability:
    """Find the likeliest abilities given outcomes, the users' weights of quality being unknown.

    Votes are fitted by their marginal likelihood Σ_u log Σ_α Π_v P(y_v | α) over everybody's α, any being thought as
    likely as any other. Rewards show α almost exactly, so that abilities and α are fitted in turn.

    Args:
        outcomes: The visible votes or rewards.
        users, models, tasks: U, M, T.
        text_variance: Prior variance of what each feature of the text does to a model's ability.
        start: Abilities to begin from; they change how long this takes.
    """
    width = outcomes.features.shape[1]
    prior = AbilityPrior.of(width, tasks, text_variance)
    ability = start or Ability.unknown(len(prior.own), models, tasks)
    if not len(outcomes):
        return ability
    if outcomes.votes:
        return _fit_votes(outcomes, ability, prior, users)
    # Weights first, under the abilities at hand: α is what a reward shows most plainly.
    for _ in range(REWARD_ROUNDS):
        chances = weight_posterior(outcomes.user, log_likelihoods(outcomes, ability), users)
        ability = _fit_rewards(outcomes, ability, prior, chances)
    return ability


def fit_new_models(
    outcomes: ObservedOutcomes, ability: Ability, known: int, deviation: np.ndarray, chances: np.ndarray
) -> Ability:
    """Return the abilities with those of models beyond the first `known` moved by what was observed of them.

    Args:
        outcomes: Votes or rewards that touch the new models; others are passed over.
        ability: What texts predict of the new models; the known ones keep what they have.
        known: How many models were trained.
        deviation: (D, 1) prior deviations of models from each other.
        chances: (U, G) everybody's α.
    """
    observed = outcomes.select((outcomes.a >= known) | (outcomes.b >= known))
    if not len(observed):
        return ability
    start = torch.tensor(ability.weights)
    new = torch.zeros(start.shape[0], start.shape[1] - known, dtype=torch.float64, requires_grad=True)
    # 1. Half as far as models differ: few outcomes would else overrate a new model.
    deviation = NEW_MODEL * deviation
    unit, weight = torch.tensor(deviation), torch.tensor(chances[observed.user])
    # 2. What training found of difficulty, noise and lapses stays: outcomes of new models are too few for it.
    scale, noise, lapse = ability.tensors()[1:]

    def loss() -> Tensor:
        weights = torch.cat([start[:, :known], start[:, known:] + unit * new], dim=1)
        if observed.votes:
            found = vote_log_likelihoods(observed, weights, scale, noise, lapse)
            # A floor, for the log of a chance of 0 has no gradient.
            fit = -torch.logsumexp(found + weight.clamp_min(1e-12).log(), dim=1).sum()
        else:
            fit = reward_loss(observed, weights, scale, weight @ torch.tensor(GRID))
        return fit + 0.5 * (new**2).sum()

    _minimise([new], loss)
    # 3. Known models keep their weights bit by bit: nobody's scores of them may move because another joined.
    moved = ability.weights[:, known:] + deviation * new.detach().numpy()
    return replace(ability, weights=np.concatenate([ability.weights[:, :known], moved], axis=1))


def _fit_votes(outcomes: ObservedOutcomes, ability: Ability, prior: AbilityPrior, users: int) -> Ability:
    """Fit abilities, difficulty, noise and lapses to votes by their marginal likelihood over α."""
    common, own = prior.split(ability.weights)
    scale, noise, lapse = (value.requires_grad_() for value in ability.tensors()[1:])
    user = torch.tensor(outcomes.user)

    def loss() -> Tensor:
        found = vote_log_likelihoods(outcomes, prior.joined(common, own), scale, noise, lapse)
        # A user's votes share one α, so their likelihoods are multiplied before α is summed out.
        total = torch.zeros(users, len(GRID), dtype=torch.float64).index_add(0, user, found)
        # Noise and lapses are held near their start too: votes that abilities explain wholly would drive both to 0.
        held = sum((part**2).sum() for part in (common, own, scale, noise - np.log(FIRST_NOISE), lapse - FIRST_LAPSE))
        return 0.5 * held - torch.logsumexp(total, dim=1).sum()

    _minimise([common, own, scale, noise, lapse], loss)
    weights = prior.joined(common, own).detach().numpy()
    return Ability(weights, scale.detach().numpy(), noise.item(), lapse.item())


def _fit_rewards(outcomes: ObservedOutcomes, ability: Ability, prior: AbilityPrior, chances: np.ndarray) -> Ability:
    """Fit abilities to rewards; their means need no deviation of difficulty, so it stays as it is."""
    common, own = prior.split(ability.weights)
    alpha, scale = torch.tensor(chances[outcomes.user] @ GRID), ability.tensors()[1]

    def loss() -> Tensor:
        fit = reward_loss(outcomes, prior.joined(common, own), scale, alpha)
        return fit + 0.5 * ((own**2).sum() + (common**2).sum())

    _minimise([common, own], loss)
    return replace(ability, weights=prior.joined(common, own).detach().numpy())


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """Run L-BFGS on a loss of all the data."""
    # A loss of all data has no noise, so second-order steps with a line search need no rate and no schedule.
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=LBFGS_STEPS,
        tolerance_change=LBFGS_TOLERANCE,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        found = loss()
        found.backward()
        return found

    optimiser.step(closure)
