"""Route by an explicit utility: α · quality − (1 − α) · cost, each told apart, α inferred for every person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.errors import DataError
from gmt.routing.costs import CostModel
from gmt.routing.kernels import model_kernels, principal_axes
from gmt.routing.pairwise import votes_of
from gmt.routing.protocol import Explained
from gmt.routing.recency import faded, rated_since
from gmt.utility.tradeoff import (
    GRID,
    Ability,
    Deviations,
    Outcomes,
    fit_ability,
    fit_newcomers,
    log_likelihoods,
    weigh,
)

COMPONENTS = 16
TEXT_VARIANCES = (0.0, 0.001, 0.005)
MOST_VOTES = 60_000  # so many at most teach abilities; all count for the person's own weight
VOTE_RATINGS = (0.0, 0.5, 1.0)
EVEN = np.full(len(GRID), 1 / len(GRID))
MOSTLY = 0.9  # a history of which so many ratings are 0, ½ or 1 is read as votes, any other as rewards


@dataclass(frozen=True, eq=False)
class Weighed:
    """Hold what a history says: everybody's α, how able the models are and what they cost.

    Args:
        router: What was trained.
        chances: (U + 1, G) posterior of each person's α over `GRID`; the last row is a stranger's.
        ability: Of all models of the history.
        costs: Of all models.
        user, comparison: (V,) whose each outcome is, and the comparison it was read from.
        told: (V, G) log likelihoods of the outcomes, as they count.
    """

    router: UtilityRouter
    chances: np.ndarray
    ability: Ability
    costs: CostModel
    user: np.ndarray
    comparison: np.ndarray
    told: np.ndarray

    @property
    def alpha(self) -> np.ndarray:
        """(U + 1,) posterior means; row by row, so that equal rows give equal means to the last bit."""
        return (self.chances * GRID).sum(axis=1)

    def parts(self, data: Dataset, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return (C, K) chances of a right answer and (C, K) costs in [0, 1]; whatever stands under padding."""
        features, task = self.router.features(data, questions.query, questions.task)
        chances = self.ability.chances(features, task)
        quality = np.take_along_axis(chances, np.maximum(questions.candidates, 0), axis=1)
        return quality, self.costs.of_answers(data, questions.query, questions.task, questions.candidates) / (
            self.router.scale
        )

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) rewards to be expected, -inf under padding; a stranger is weighed like the mean of all."""
        quality, cost = self.parts(data, questions)
        alpha = self.alpha[self._row(questions.user)][:, None]
        return np.where(questions.candidates >= 0, alpha * quality - (1 - alpha) * cost, -np.inf)

    def learned(self, history: Dataset, positions: np.ndarray) -> Weighed | None:
        """Return what is known once some more rounds are, as `Posterior.learned` does: α of their people alone."""
        if int(history.table.model.max(initial=-1)) >= self.ability.weights.shape[1]:
            return None
        people = np.unique(history.table.user[positions])
        theirs = np.flatnonzero(np.isin(history.table.user, people))
        part = history.select(theirs)
        told = self.router.outcomes(part, self.costs)
        likelihood = self.router.likelihoods(part, told, self.ability)
        stranger, users = self.chances[-1:], len(history.table.users)
        chances = np.concatenate([self.chances[:-1], np.repeat(stranger, users + 2 - len(self.chances), axis=0)])
        heard = np.intersect1d(people, told.user)
        chances[heard] = weigh(told.user, likelihood, users)[heard]
        kept = ~np.isin(self.user, people)
        return replace(
            self,
            chances=chances,
            user=np.concatenate([self.user[kept], told.user]),
            comparison=np.concatenate([self.comparison[kept], theirs[told.comparison]]),
            told=np.concatenate([self.told[kept], likelihood]),
        )

    def covariances(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, K) covariances of the scores that come of not knowing α."""
        quality, cost = self.parts(data, questions)
        chances = self.chances[self._row(questions.user)]
        variance = chances @ GRID**2 - (chances @ GRID) ** 2
        slope = quality + cost
        return variance[:, None, None] * slope[:, :, None] * slope[:, None, :]

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Say what each past outcome adds to the scores of question `index`: what they are less those without it."""
        asked = questions.select(np.array([index]))
        quality, cost = self.parts(data, asked)
        own = np.flatnonzero(self.user == asked.user[0])
        total = self.told[own].sum(axis=0)
        without = total - self.told[own]
        without = np.exp(without - without.max(axis=1, keepdims=True, initial=-np.inf))
        moved = self.alpha[self._row(asked.user)] - (without @ GRID) / without.sum(axis=1)
        stranger = self.alpha[-1]
        impersonal = stranger * quality[0] - (1 - stranger) * cost[0]
        return Explained(impersonal, moved[:, None] * (quality + cost), self.comparison[own])

    def _row(self, user: np.ndarray) -> np.ndarray:
        """Return the rows of people; -1 and people who joined later are strangers."""
        last = len(self.chances) - 1
        return np.where((user < 0) | (user >= last), last, user)


class UtilityRouter:
    """Score a model by the reward a person may expect: α · chance of a right answer − (1 − α) · cost.

    Cost is read from prices or past costs; quality and α are latent. From votes: an answer is right or
    wrong by chance, and the vote goes to the higher utility, so that a cheap model's win says little of
    quality. From rewards: a reward is α less the cost, or the cost alone. Somebody new is weighed by their
    own history in milliseconds, a new model by its outcomes around what its text tells; neither moves
    what was trained. The answers to PersonalizedRouter's (arXiv 2511.16883) question for an explicit utility.

    Args:
        half_life: Rated comparisons after which one counts half in a person's α; 0: all count alike.
        text_variance: How much texts may say of abilities; `fit` chooses it on VALID.
    """

    name, logits = "utility", False

    def __init__(self, half_life: float = 0.0, text_variance: float = 0.0) -> None:
        self.half_life, self.text_variance = half_life, text_variance
        self.ability: Ability | None = None
        self.stranger = EVEN
        self.centre, self.basis = np.zeros(0), np.zeros((0, 0))
        self.tasks, self.scale = 0, 1.0
        self.costs: CostModel | None = None
        self._last: tuple[Dataset, Weighed] | None = None

    def fit(self, data: Dataset) -> Self:
        """Learn how able models are, and how people weigh, from the TRAIN comparisons.

        Raises:
            DataError: No answer has a cost.
        """
        with threadpool_limits(1):
            return self._fit(data)

    def _fit(self, data: Dataset) -> Self:
        history, valid = (data.select(data.table.split == code) for code in (TRAIN, VALID))
        self.tasks, self._last = len(history.table.tasks), None
        self._describe(history)
        costs = self.costs = _costs(history)
        self.scale = costs.scale
        told, asked = self.outcomes(history, costs), self.outcomes(valid, costs)
        every, of = told, np.random.default_rng(0).permutation(len(told))[: MOST_VOTES if told.votes else None]
        told = told.select(np.sort(of))
        best, ability, users = np.inf, None, len(history.table.users)
        for variance in TEXT_VARIANCES if len(asked) and told.votes == asked.votes else (self.text_variance,):
            ability = fit_ability(told, users, len(history.table.models), self.tasks, variance, ability)
            loss = self._surprise(told, asked, ability, users) if len(asked) else 0.0
            if loss < best:
                best, self.ability, self.text_variance = loss, ability, variance
        assert self.ability is not None
        # A stranger is weighed like the people known, not like anybody thinkable.
        chances = weigh(every.user, log_likelihoods(every, self.ability), users)
        self.stranger = chances[np.unique(every.user)].mean(axis=0) if len(told) else EVEN
        return self

    def _surprise(self, told: Outcomes, asked: Outcomes, ability: Ability, users: int) -> float:
        """Return the mean negative log likelihood of other outcomes of the same people."""
        chances = weigh(told.user, log_likelihoods(told, ability), users)
        found = log_likelihoods(asked, ability) + np.log(np.maximum(chances[asked.user], 1e-300))
        return float(-np.logaddexp.reduce(found, axis=1).mean())

    def _describe(self, history: Dataset) -> None:
        """Choose the axes on which texts are read: principal components of the queries, of variance 1."""
        self.centre, size, basis = principal_axes(history.vectors[np.unique(history.table.query)], COMPONENTS)
        kept = size > 1e-9
        self.basis = basis[:, kept] / np.sqrt(size[kept])

    def features(self, data: Dataset, query: np.ndarray, task: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (C, D) features and (C,) task codes of queries; an unknown task has none of its own."""
        task = np.where((task >= 0) & (task < self.tasks), task, self.tasks)
        own = np.eye(self.tasks + 1)[task][:, : self.tasks]
        text = (data.vectors[query].astype(float) - self.centre) @ self.basis
        return np.concatenate([np.ones((len(query), 1)), own, text], axis=1), task

    def outcomes(self, history: Dataset, costs: CostModel) -> Outcomes:
        """Read what a history tells: rewards where ratings are numbers of many kinds, else votes.

        Of a comparison of more than two answers only pairs of unlike ratings are votes: answers not
        chosen were not said to be equal.
        """
        table = history.table
        rated = ~np.isnan(table.rating)
        asked, at = np.unique(np.stack([table.query, table.task], axis=1), axis=0, return_inverse=True)
        at = at.reshape(-1)
        features, task = self.features(history, asked[:, 0], asked[:, 1])
        by_model = np.tile(np.arange(len(table.models)), (len(asked), 1))
        cost = costs.of_answers(history, asked[:, 0], asked[:, 1], by_model) / self.scale
        if rated.any() and np.isin(table.rating[rated], VOTE_RATINGS).mean() < MOSTLY:
            rows = np.flatnonzero(rated)
            of, model = table.row_comparison[rows], table.model[rows]
            low, high = history.rating_range
            reward = low + table.rating[rows] * (high - low)
            nobody = np.full(len(rows), -1)
            paid = cost[at[of], model]
            return Outcomes(
                features, task, table.user[of], at[of], model, nobody, paid, np.zeros(len(rows)), reward, of
            )
        votes = votes_of(table)
        several = np.bincount(table.row_comparison[rated], minlength=len(table))[votes.comparison] > 2
        votes = votes.select(~several | (votes.y != 0.5))
        query = at[votes.comparison]
        paid_a, paid_b = cost[query, votes.a], cost[query, votes.b]
        return Outcomes(
            features, task, votes.user, query, votes.a, votes.b, paid_a, paid_b, votes.y, votes.comparison
        )  # fmt: skip

    def condition(self, history: Dataset) -> Weighed:
        """Weigh everybody by the visible history, and tell the abilities of models that were not trained.

        Raises:
            DataError: The router was not fitted.
        """
        if self.ability is None:
            raise DataError("the utility router was not fitted; fit it before it is asked")
        with threadpool_limits(1):
            # Without a cost in sight, those of training stand.
            costs, users = CostModel.of(history) or self.costs, len(history.table.users)
            assert costs is not None
            told, known = self.outcomes(history, costs), self.ability.weights.shape[1]
            ability = replace(self.ability, weights=self._told_weights(history))
            likelihood = self.likelihoods(history, told, ability)
            if ability.weights.shape[1] > known:
                old = (told.a < known) & (told.b < known)
                size = Deviations.of(len(ability.weights), self.tasks, self.text_variance).own
                ability = fit_newcomers(told, ability, known, size, weigh(told.user[old], likelihood[old], users))
                likelihood = self.likelihoods(history, told, ability)
            chances = weigh(told.user, likelihood, users)
        silent = np.bincount(told.user, minlength=users)[:users] == 0
        chances = np.concatenate([np.where(silent[:, None], self.stranger, chances), self.stranger[None]])
        return Weighed(self, chances, ability, costs, told.user, told.comparison, likelihood)

    def likelihoods(self, history: Dataset, told: Outcomes, ability: Ability) -> np.ndarray:
        """Return (V, G) log likelihoods of what was told, the newer the more they count where a half-life is set."""
        left = faded(rated_since(history.table)[told.comparison], self.half_life)
        return log_likelihoods(told, ability) * left[:, None]

    def _told_weights(self, history: Dataset) -> np.ndarray:
        """Return (D, M) abilities, those of new models told from the texts of the known ones."""
        assert self.ability is not None
        weights = self.ability.weights
        known, models = weights.shape[1], len(history.table.models)
        if models <= known:
            return weights
        vectors = history.model_vectors
        kernel = model_kernels(vectors, vectors[:known].mean(axis=0))[0]
        middle = weights.mean(axis=1, keepdims=True)
        around = np.linalg.solve(kernel[:known, :known] + 0.1 * np.eye(known), (weights - middle).T)
        return np.concatenate([weights, middle + (kernel[known:, :known] @ around).T], axis=1)

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the reward to be expected given the visible history."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self.condition(history)
        return self._last[1].score(history, questions)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as numbers."""
        ability = self.ability
        if ability is None or self.costs is None:
            return {}
        numbers = [self.half_life, self.text_variance, self.tasks, self.scale, ability.log_noise, ability.lapse]
        numbers.append(self.costs.overall)
        return {
            "weights": ability.weights,
            "log_spread": ability.log_spread,
            "stranger": self.stranger,
            "centre": self.centre,
            "basis": self.basis,
            "cost_line": self.costs.line,
            "cost_means": self.costs.means,
            "numbers": np.array(numbers),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        self.half_life, self.text_variance, tasks, self.scale, noise, lapse, cost = (
            float(number) for number in state["numbers"]
        )
        self.ability, self._last = Ability(state["weights"], state["log_spread"], noise, lapse), None
        self.tasks, self.costs = int(tasks), CostModel(state["cost_line"], state["cost_means"], cost, self.scale)
        self.stranger, self.centre, self.basis = (state[name] for name in ("stranger", "centre", "basis"))
        return self


def _costs(history: Dataset) -> CostModel:
    found = CostModel.of(history)
    if found is None:
        raise DataError("no answer has a cost; a utility of quality and cost needs rows with `cost`, or utility off")
    return found
