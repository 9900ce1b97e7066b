"""Score models by the residuals of votes on similar queries, passed along a graph of queries and models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from scipy.special import expit

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.bradley_terry import best_variance, strengths
from gmt.rivals.rival import Rival, at_candidates
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.kernels import centred
from gmt.routing.one_thread import one_thread
from gmt.routing.pairwise import Votes, votes_of

TEMPERATURES, RIDGES, ROUNDS = (0.01, 0.05, 0.2, 0.5), (0.25, 0.5, 1.0, 2.0, 4.0, 16.0), (1, 2)
SIMILARITIES_AT_ONCE = 8_000_000


@dataclass(frozen=True, eq=False)
class QueryGraph:
    """Hold Q query nodes, M model nodes, and the votes that are edges between them.

    Args:
        votes: V votes.
        node: (V,) the query node of each.
        unit: (Q, D) centred unit vectors of the queries.
        centre: (D,) what text vectors are centred on.
        strength: (M,) what every query node begins with.
    """

    votes: Votes
    node: np.ndarray
    unit: np.ndarray
    centre: np.ndarray
    strength: np.ndarray

    @classmethod
    def of(cls, history: Dataset, variance: float) -> QueryGraph:
        """Read the graph of a history, with Bradley-Terry strengths of the given prior variance."""
        votes = votes_of(history.table)
        codes, node = np.unique(history.table.query[votes.comparison], return_inverse=True)
        vectors = history.vectors[codes].astype(float)
        centre = vectors.mean(axis=0) if len(codes) else np.zeros(history.vectors.shape[1])
        # Every query node begins at the strengths, so that without similar queries they are the score.
        strength = strengths(votes, len(history.table.models), variance)
        return cls(votes, node.reshape(-1), centred(vectors, centre), centre, strength)

    def similarities(self, unit: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield parts of (N, D) unit vectors and their (n, Q) cosines with the query nodes."""
        batch = max(1, SIMILARITIES_AT_ONCE // max(len(self.unit), 1))
        for start in range(0, len(unit), batch):
            part = slice(start, start + batch)
            yield part, unit[part] @ self.unit.T

    def propagate(self, unit: np.ndarray, temperature: float, ridge: float, rounds: int) -> np.ndarray:
        """Return (N, M) scores at N unit vectors after `rounds` passes of residuals to similar queries.

        A pass adds, for each model, the sum of its edges' residuals over the sum of their information
        plus `ridge`, both weighted by exp((cosine - 1) / temperature): one Newton step of a local fit.
        """
        known, targets = (np.tile(self.strength, (len(nodes), 1)) for nodes in (self.unit, unit))
        # In the last round only targets are needed; before it the known queries move too, as their residuals are read
        # again.
        for left in reversed(range(rounds)):
            # Taken once before anything moves, so that all nodes of a round read the same state.
            residual, information = self._edges(known)
            for nodes, scores in ((unit, targets), (self.unit, known))[: 2 if left else 1]:
                for part, cosine in self.similarities(nodes):
                    # At most 1, so that a query meets its own votes in full whatever the temperature.
                    weight = np.exp((cosine - 1) / temperature)
                    scores[part] += (weight @ residual) / (weight @ information + ridge)
        return targets

    def _edges(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return two (Q, M) sums over each edge's votes under (Q, M) scores: of residuals, and of information."""
        votes, shape = self.votes, scores.shape
        chance = expit(scores[self.node, votes.a] - scores[self.node, votes.b])
        error, precision = votes.y - chance, chance * (1 - chance)
        cell = np.concatenate([self.node * shape[1] + votes.a, self.node * shape[1] + votes.b])
        size = shape[0] * shape[1]
        # What model a won beyond expectation, model b lost.
        residual = np.bincount(cell, np.concatenate([error, -error]), size).reshape(shape)
        return residual, np.bincount(cell, np.concatenate([precision, precision]), size).reshape(shape)


class GraphPropagation(Rival):
    """Rank models for a query, the same for everybody: strength plus residuals of votes on similar queries.

    Source: GraphRouter (arXiv 2410.03834); simplified: closed-form label propagation with one learned temperature
    in place of a trained network, no task nodes, edges carry votes and no costs, models have no text.

    Args:
        temperature: How fast the weight of a query falls with its cosine.
        ridge: How much information the strengths count for.
        rounds: Passes over the graph.
        variance: Prior variance of a strength.

    `fit` replaces all four by the best on VALID.
    """

    name, logits, saved = "graph_router", True, ("temperature", "ridge", "rounds", "variance")

    def __init__(self, temperature: float = 0.05, ridge: float = 2.0, rounds: int = 1, variance: float = 1.0) -> None:
        self.temperature, self.ridge, self.rounds, self.variance = temperature, ridge, rounds, variance
        self._last: tuple[Dataset, QueryGraph] | None = None

    def fit(self, data: Dataset) -> Self:
        """Choose the strengths' variance, then the passes, by the log loss of the VALID votes."""
        self._last, valid = None, ValidationVotes.of(data)
        self.variance = best_variance(valid, self.variance)
        if valid is None:
            return self
        # Strengths first: the residuals that are passed on are what they leave.
        graph = QueryGraph.of(valid.history, self.variance)
        if len(graph.votes):

            def losses(settings: tuple[float, float, int]) -> np.ndarray:
                return valid.losses(_at_targets(graph, data, valid.questions, settings), self.logits)

            self.temperature, self.ridge, self.rounds = best_setting(product(TEMPERATURES, RIDGES, ROUNDS), losses)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the visible votes on the queries nearest to the target's."""
        if self._last is None or self._last[0] is not history:
            self._last = history, QueryGraph.of(history, self.variance)
        return _at_targets(self._last[1], history, questions, (self.temperature, self.ridge, self.rounds))


def _at_targets(
    graph: QueryGraph, data: Dataset, questions: Questions, settings: tuple[float, float, int]
) -> np.ndarray:
    """Return (C, K) scores under a temperature, a ridge and a number of rounds; each query is reached once."""
    # Questions on one query share its scores, for the user plays no part.
    codes, of = np.unique(questions.query, return_inverse=True)
    with one_thread():
        scores = graph.propagate(centred(data.vectors[codes], graph.centre), *settings)
    return at_candidates(scores[of.reshape(-1)], questions)
