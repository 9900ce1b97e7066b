"""Route by an explicit utility: α · quality − (1 − α) · cost, each estimated apart, α inferred for every user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.errors import DataError
from gmt.routing.costs import CostModel
from gmt.routing.grid import best_setting
from gmt.routing.kernels import model_kernels
from gmt.routing.one_thread import one_thread
from gmt.utility.ability import Ability, AbilityPrior
from gmt.utility.conditioned_utility import ConditionedUtility
from gmt.utility.fit_ability import fit_ability, fit_new_models
from gmt.utility.observed_outcomes import ObservedOutcomes
from gmt.utility.outcome_likelihoods import log_likelihoods
from gmt.utility.outcome_reader import OutcomeReader
from gmt.utility.quality_weight import EVEN, weight_posterior
from gmt.utility.utility_state import FittedUtility

TEXT_VARIANCES = (0.0, 0.001, 0.005)
"""What VALID chooses from: how much texts may say of abilities."""
MOST_VOTES = 60_000
"""So many votes at most teach abilities; all count for their users' own weights."""
TEXT_NOISE = 0.1
"""Variance, beside the kernel of texts, of what a model's text does not predict of its ability."""

NO_COST = "no answer has a cost; a utility of quality and cost needs rows with `cost`, or utility off"


class UtilityRouter:
    """Score a model by the reward a user may expect: α · chance of a right answer − (1 − α) · cost.

    Cost is read from prices or past costs; quality and α are latent. From votes: an answer is right or
    wrong by chance, and the vote goes to the higher utility, so that a cheap model's win says little of
    quality. From rewards: a reward is α less the cost, or the cost alone. Which of the two a history holds is decided
    once, in training. A new user is weighed by their own history in milliseconds, a new model by its outcomes around
    what its text predicts; neither moves what was trained.

    Source: PersonalizedRouter (arXiv 2511.16883) asks for users' trade-off of quality and cost; this answers it with an
    explicit utility.

    Limitations: one thread at a time; the history last scored is kept.

    Args:
        half_life: Rated comparisons after which one counts half in a user's α; 0: all count alike.
        text_variance: How much texts may say of abilities; `fit` chooses it on VALID.
    """

    name, logits = "utility", False

    def __init__(self, half_life: float = 0.0, text_variance: float = 0.0) -> None:
        self.half_life, self.text_variance = half_life, text_variance
        self.fitted: FittedUtility | None = None
        self._last: tuple[Dataset, ConditionedUtility] | None = None

    def fit(self, data: Dataset) -> Self:
        """Learn how able models are, and how users weigh, from the TRAIN comparisons.

        Raises:
            DataError: No answer has a cost.
        """
        with one_thread():
            return self._fit(data)

    def _fit(self, data: Dataset) -> Self:
        history, valid = (data.select(data.table.split == code) for code in (TRAIN, VALID))
        costs = CostModel.of(history)
        if costs is None:
            raise DataError(NO_COST)
        # 1. A sample of the votes teaches abilities, for a fit of millions takes hours and gains nothing.
        reader = OutcomeReader.of(history, costs.scale, self.half_life)
        every, held_out = reader.read(history, costs), reader.read(valid, costs)
        # A fixed seed: equal data teach equal abilities.
        drawn = np.random.default_rng(0).permutation(len(every))[: MOST_VOTES if every.votes else None]
        # In the table's order again, so that a sample of everything is everything to the last bit.
        outcomes = every.select(np.sort(drawn))
        users = len(history.table.users)

        # 2. VALID chooses how much texts say, where it holds outcomes of the same kind.
        choosing = len(held_out) > 0 and outcomes.votes == held_out.votes
        candidates = self._candidates(reader, history, outcomes, choosing)
        ability, self.text_variance = best_setting(
            candidates,
            lambda one: np.array([_surprise(outcomes, held_out, one[0], users) if len(held_out) else 0.0]),
        )

        # 3. An unknown user is weighed like the users known, not like any user thinkable.
        chances = weight_posterior(every.user, log_likelihoods(every, ability), users)
        unknown = chances[np.unique(every.user)].mean(axis=0) if len(every) else EVEN
        self.fitted, self._last = FittedUtility(reader, ability, costs, unknown, self.text_variance), None
        return self

    def _candidates(
        self, reader: OutcomeReader, history: Dataset, outcomes: ObservedOutcomes, choosing: bool
    ) -> Iterator[tuple[Ability, float]]:
        """Yield abilities fitted under every variance of texts tried, each begun from the one before."""
        users, models, ability = len(history.table.users), len(history.table.models), None
        for variance in TEXT_VARIANCES if choosing else (self.text_variance,):
            ability = fit_ability(outcomes, users, models, reader.tasks, variance, ability)
            yield ability, variance

    def condition(self, history: Dataset) -> ConditionedUtility:
        """Weigh everybody by the visible history, and predict the abilities of models that were not trained.

        Raises:
            DataError: The router was not fitted.
        """
        fitted = self.fitted
        if fitted is None:
            raise DataError("the utility router was not fitted; fit it before it scores")
        # 1. The half-life may have been changed since the fit, which needs none anew.
        reader = replace(fitted.reader, half_life=self.half_life)
        with one_thread():
            # Without a cost in sight, those of training stand.
            costs, users = CostModel.of(history) or fitted.costs, len(history.table.users)
            outcomes, known = reader.read(history, costs), fitted.ability.weights.shape[1]
            ability = replace(fitted.ability, weights=_with_new_models(fitted.ability.weights, history.model_vectors))
            likelihood = reader.likelihoods(history, outcomes, ability)
            if ability.weights.shape[1] > known:
                # 2. New models are fitted to users whose α their outcomes of known models decide.
                old = (outcomes.a < known) & (outcomes.b < known)
                deviation = AbilityPrior.of(len(ability.weights), reader.tasks, fitted.text_variance).own
                chances = weight_posterior(outcomes.user[old], likelihood[old], users)
                ability = fit_new_models(outcomes, ability, known, deviation, chances)
                likelihood = reader.likelihoods(history, outcomes, ability)
            chances = weight_posterior(outcomes.user, likelihood, users)
        # 3. Without an outcome the even prior would stand; the distribution of the users trained on says more.
        silent = np.bincount(outcomes.user, minlength=users)[:users] == 0
        unknown = fitted.unknown_user
        chances = np.concatenate([np.where(silent[:, None], unknown, chances), unknown[None]])
        return ConditionedUtility(reader, chances, ability, costs, outcomes.user, outcomes.comparison, likelihood)

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the reward to be expected given the visible history."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self.condition(history)
        return self._last[1].score(history, questions)

    @property
    def notes(self) -> list[str]:
        """Return nothing: the summary says all that `fit` chose."""
        return []

    def summary(self) -> dict[str, Any]:
        """Return the settings that `fit` ended with."""
        return {"half_life": self.half_life, "text_variance": self.text_variance}

    def with_half_life(self, half_life: float) -> Self:
        """Return the same fit under which a round counts half after so many later ones of its user."""
        out = type(self)(half_life, self.text_variance)
        out.fitted = self.fitted
        return out

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as numbers; nothing where it was not fitted."""
        if self.fitted is None:
            return {}
        return replace(self.fitted, reader=replace(self.fitted.reader, half_life=self.half_life)).to_arrays()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned, also in an earlier version."""
        self.fitted, self._last = FittedUtility.from_arrays(state), None
        self.half_life, self.text_variance = self.fitted.reader.half_life, self.fitted.text_variance
        return self


def _surprise(outcomes: ObservedOutcomes, held_out: ObservedOutcomes, ability: Ability, users: int) -> float:
    """Return the mean negative log likelihood of other outcomes of the same users."""
    chances = weight_posterior(outcomes.user, log_likelihoods(outcomes, ability), users)
    # A held-out outcome is averaged over what TRAIN left open of its user's α.
    found = log_likelihoods(held_out, ability) + np.log(np.maximum(chances[held_out.user], 1e-300))
    return float(-np.logaddexp.reduce(found, axis=1).mean())


def check_costs(data: Dataset) -> None:
    """Refuse data that `UtilityRouter.fit` would refuse, without fitting anything.

    Raises:
        DataError: No TRAIN answer has a cost.
    """
    if np.isnan(data.select(data.table.split == TRAIN).table.cost).all():
        raise DataError(NO_COST)


def _with_new_models(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return (D, M) abilities, those of new models predicted from the texts of the known ones.

    K_no (K_oo + 0.1 I)⁻¹ of what the known models deviate from their mean.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 2.2.

    Args:
        weights: (D, L) abilities of the known models.
        vectors: (M, W) text vectors of all models, the known ones first.
    """
    known = weights.shape[1]
    if len(vectors) <= known:
        return weights
    kernel = model_kernels(vectors, vectors[:known].mean(axis=0))[0]
    # Around the mean, so that a text like no other predicts an average model.
    middle = weights.mean(axis=1, keepdims=True)
    around = np.linalg.solve(kernel[:known, :known] + TEXT_NOISE * np.eye(known), (weights - middle).T)
    return np.concatenate([weights, middle + (kernel[known:, :known] @ around).T], axis=1)
