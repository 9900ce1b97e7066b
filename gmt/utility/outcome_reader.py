"""Read a history as outcomes: what is known of its queries, what its answers cost, and what users said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.routing.costs import CostModel
from gmt.routing.kernels import principal_axes
from gmt.routing.pairwise import votes_of
from gmt.routing.recency import rated_since, recency_weight
from gmt.utility.ability import Ability
from gmt.utility.observed_outcomes import ObservedOutcomes
from gmt.utility.outcome_likelihoods import log_likelihoods

TEXT_COMPONENTS = 16
"""Principal components of the queries' texts that abilities may depend on."""
VOTE_RATINGS = (0.0, 0.5, 1.0)
"""The only ratings that votes have."""
MOSTLY = 0.9
"""A training history of which so many ratings are `VOTE_RATINGS` holds votes, any other rewards."""


@dataclass(frozen=True, eq=False)
class DescribedQueries:
    """Hold what is known of the Q distinct queries of a history.

    Args:
        features: (Q, D) their features.
        task: (Q,) their task codes, the last for no known task.
        of: (C,) which of them each comparison is about.
        cost: (Q, M) what each model's answer costs, as a share.
    """

    features: np.ndarray
    task: np.ndarray
    of: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True, eq=False)
class OutcomeReader:
    """Read histories in the way that training fixed.

    Args:
        tasks: T, tasks trained on.
        centre, basis: (W,) and (W, R) axes on which query texts are read: principal components, of variance 1.
        scale: The largest cost seen in training; costs are shares of it.
        rewards: Whether ratings are rewards rather than votes, decided once in training; None in a state saved before
            that was stored, where every history decides for itself.
        half_life: Rated comparisons after which one counts half in its user's α; 0: all count alike.
    """

    tasks: int
    centre: np.ndarray
    basis: np.ndarray
    scale: float
    rewards: bool | None
    half_life: float = 0.0

    @classmethod
    def of(cls, history: Dataset, scale: float, half_life: float) -> OutcomeReader:
        """Fix the axes and the kind of outcome by the training history."""
        centre, size, basis = principal_axes(history.vectors[np.unique(history.table.query)], TEXT_COMPONENTS)
        # An axis without variance cannot be put at variance 1.
        kept = size > 1e-9
        tasks, rewards = len(history.table.tasks), holds_rewards(history.table)
        return cls(tasks, centre, basis[:, kept] / np.sqrt(size[kept]), scale, rewards, half_life)

    def features(self, data: Dataset, query: np.ndarray, task: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (C, D) features and (C,) task codes of queries; an unknown task has none of its own.

        The features are a constant, one for each task, and the text on the axes.
        """
        task = np.where((task >= 0) & (task < self.tasks), task, self.tasks)
        # The indicator of no known task is cut off: such a query has the constant alone.
        own = np.eye(self.tasks + 1)[task][:, : self.tasks]
        text = (data.vectors[query].astype(float) - self.centre) @ self.basis
        return np.concatenate([np.ones((len(query), 1)), own, text], axis=1), task

    def costs(
        self, data: Dataset, costs: CostModel, query: np.ndarray, task: np.ndarray, models: np.ndarray
    ) -> np.ndarray:
        """Return (C, K) costs of (C, K) models on C queries as shares of the largest of training."""
        return costs.of_answers(data, query, task, models) / self.scale

    def read(self, history: Dataset, costs: CostModel) -> ObservedOutcomes:
        """Read what users said: rewards, or votes.

        Of a comparison of more than two answers only pairs of unlike ratings are votes: answers not
        chosen were not said to be equal.
        """
        table = history.table
        # Queries are described once each, however often they were voted on.
        queries, at = np.unique(np.stack([table.query, table.task], axis=1), axis=0, return_inverse=True)
        at = at.reshape(-1)
        features, task = self.features(history, queries[:, 0], queries[:, 1])
        by_model = np.tile(np.arange(len(table.models)), (len(queries), 1))
        cost = self.costs(history, costs, queries[:, 0], queries[:, 1], by_model)
        rewards = holds_rewards(table) if self.rewards is None else self.rewards
        described = DescribedQueries(features, task, at, cost)
        return _rewards(history, described) if rewards else _votes(history, described)

    def likelihoods(self, history: Dataset, outcomes: ObservedOutcomes, ability: Ability) -> np.ndarray:
        """Return (V, G) log likelihoods of outcomes, the newer the more they count where a half-life is set."""
        # A weight on a log likelihood counts a vote as part of one.
        left = recency_weight(rated_since(history.table)[outcomes.comparison], self.half_life)
        return log_likelihoods(outcomes, ability) * left[:, None]


def holds_rewards(table: InteractionTable) -> bool:
    """Tell whether the ratings of a table are numbers of many kinds, as rewards are and votes are not."""
    rated = ~np.isnan(table.rating)
    return bool(rated.any() and np.isin(table.rating[rated], VOTE_RATINGS).mean() < MOSTLY)


def _rewards(history: Dataset, queries: DescribedQueries) -> ObservedOutcomes:
    """Return every rating as a reward in its source's own scale."""
    table = history.table
    rows = np.flatnonzero(~np.isnan(table.rating))
    comparison, model = table.row_comparison[rows], table.model[rows]
    query = queries.of[comparison]
    low, high = history.rating_range
    return ObservedOutcomes(
        features=queries.features,
        task=queries.task,
        user=table.user[comparison],
        query=query,
        a=model,
        b=np.full(len(rows), -1),
        cost_a=queries.cost[query, model],
        cost_b=np.zeros(len(rows)),
        # Rewards are compared with costs, so they return from [0, 1] to the scale they were given in.
        y=low + table.rating[rows] * (high - low),
        comparison=comparison,
    )


def _votes(history: Dataset, queries: DescribedQueries) -> ObservedOutcomes:
    """Return every pair of ratings as a vote, but for ties among several answers."""
    table = history.table
    votes, rated = votes_of(table), ~np.isnan(table.rating)
    several = np.bincount(table.row_comparison[rated], minlength=len(table))[votes.comparison] > 2
    votes = votes.select(~several | (votes.y != 0.5))
    query = queries.of[votes.comparison]
    return ObservedOutcomes(
        features=queries.features,
        task=queries.task,
        user=votes.user,
        query=query,
        a=votes.a,
        b=votes.b,
        cost_a=queries.cost[query, votes.a],
        cost_b=queries.cost[query, votes.b],
        y=votes.y,
        comparison=votes.comparison,
    )
