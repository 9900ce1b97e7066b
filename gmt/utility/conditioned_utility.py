"""Hold what a utility believes after a history, and answer questions from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.routing.costs import CostModel
from gmt.routing.protocol import QUALITY_WEIGHT, Explained
from gmt.utility.ability import Ability
from gmt.utility.outcome_reader import OutcomeReader
from gmt.utility.quality_weight import GRID, weight_posterior


@dataclass(frozen=True, eq=False)
class ConditionedUtility:
    """Hold what a history says: every user's weight α of quality, how able the models are and what they cost.

    Args:
        reader: How histories and queries are read.
        chances: (U + 1, G) posterior of each user's α over `GRID`; the last row is an unknown user's.
        ability: Of all models of the history.
        costs: Of all models.
        user, comparison: (V,) whose each outcome is, and the comparison it was read from.
        observed: (V, G) log likelihoods of the outcomes, as they count.
        first: Code of the user in the first row of `chances`; lower ones are unknown users.
    """

    reader: OutcomeReader
    chances: np.ndarray
    ability: Ability
    costs: CostModel
    user: np.ndarray
    comparison: np.ndarray
    observed: np.ndarray
    first: int = 0

    @property
    def quality_weights(self) -> np.ndarray:
        """Return (U + 1,) posterior means of α; row by row, so that equal rows give equal means to the last bit."""
        return (self.chances * GRID).sum(axis=1)

    def quality_and_cost(self, data: Dataset, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return (C, K) chances of a right answer and (C, K) costs in [0, 1]; whatever stands under padding."""
        features, task = self.reader.features(data, questions.query, questions.task)
        chances = self.ability.chances(features, task)
        quality = np.take_along_axis(chances, np.maximum(questions.candidates, 0), axis=1)
        return quality, self.reader.costs(data, self.costs, questions.query, questions.task, questions.candidates)

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) rewards to be expected, -inf under padding: E[α] · quality - (1 - E[α]) · cost.

        An unknown user's α has the distribution of the known ones'.
        """
        quality, cost = self.quality_and_cost(data, questions)
        # The reward is linear in α, so its mean is all that an expectation needs.
        alpha = self.quality_weights[self._row(questions.user)][:, None]
        return np.where(questions.candidates >= 0, alpha * quality - (1 - alpha) * cost, -np.inf)

    def with_observed(self, history: Dataset, positions: np.ndarray) -> ConditionedUtility | None:
        """Return what is believed once some more rounds are observed: α of their users alone is inferred anew.

        Args:
            history: The history with the rounds; what was observed before has kept its positions.
            positions: (C,) where the new rounds stand.

        Returns:
            None where a round shows a model that was not there before.
        """
        if int(history.table.select(positions).model.max(initial=-1)) >= self.ability.weights.shape[1]:
            return None
        users = np.unique(history.table.user[positions])
        # 1. All rounds of these users are read again, for with a half-life new ones make the old count less.
        theirs = np.sort(np.concatenate([np.zeros(0, np.int64), *map(history.table.of_user, users.tolist())]))
        part = history.select(theirs)
        outcomes = self.reader.read(part, self.costs)
        likelihood = self.reader.likelihoods(part, outcomes, self.ability)
        unknown, count = self.chances[-1:], max(len(self.chances) - 1, int(users.max(initial=-1)) + 1 - self.first)
        # 2. Users who joined since have the unknown user's row until a rating of theirs is observed.
        chances = np.concatenate([self.chances[:-1], np.repeat(unknown, count + 2 - len(self.chances), axis=0)])
        # A round without a rating teaches nothing; its user keeps the row there is.
        voted = np.intersect1d(users, outcomes.user) - self.first
        chances[voted] = weight_posterior(outcomes.user - self.first, likelihood, count)[voted]
        # 3. Their old outcomes go, for they stand among those read again.
        kept = ~np.isin(self.user, users)
        return replace(
            self,
            chances=chances,
            user=np.concatenate([self.user[kept], outcomes.user]),
            comparison=np.concatenate([self.comparison[kept], theirs[outcomes.comparison]]),
            observed=np.concatenate([self.observed[kept], likelihood]),
        )

    def of_user(self, user: int) -> ConditionedUtility:
        """Return the same beliefs about one user alone; all others are unknown to it."""
        own, row = self.user == user, self._row(np.array([user]))
        chances = np.concatenate([self.chances[row], self.chances[-1:]])
        theirs = {"user": self.user[own], "comparison": self.comparison[own], "observed": self.observed[own]}
        return replace(self, chances=chances, first=user, **theirs)

    def covariances(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, K) covariances of the scores that come of not knowing α: Var(α) (q + c) (q + c)ᵀ."""
        quality, cost = self.quality_and_cost(data, questions)
        chances = self.chances[self._row(questions.user)]
        variance = chances @ GRID**2 - (chances @ GRID) ** 2
        # The score is α (q + c) - c: linear in α with this slope.
        slope = quality + cost
        return variance[:, None, None] * slope[:, :, None] * slope[:, None, :]

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Say what each past outcome adds to the scores of question `index`: what they are less those without it."""
        target = questions.select(np.array([index]))
        quality, cost = self.quality_and_cost(data, target)
        own = np.flatnonzero(self.user == target.user[0])
        # A likelihood is a product over outcomes, so leaving one out is a difference of logarithms.
        total = self.observed[own].sum(axis=0)
        without = total - self.observed[own]
        without = np.exp(without - without.max(axis=1, keepdims=True, initial=-np.inf))
        weights = self.quality_weights
        moved = weights[self._row(target.user)] - (without @ GRID) / without.sum(axis=1)
        impersonal = weights[-1] * quality[0] - (1 - weights[-1]) * cost[0]
        return Explained(impersonal, {QUALITY_WEIGHT: moved[:, None] * (quality + cost)}, self.comparison[own])

    def _row(self, user: np.ndarray) -> np.ndarray:
        """Return the rows of users; -1 and users who joined later are unknown ones."""
        last, row = len(self.chances) - 1, user - self.first
        return np.where((user < 0) | (row < 0) | (row >= last), last, row)
