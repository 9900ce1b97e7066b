"""Score models by what is left unexplained of votes on similar queries, passed along a graph of queries and models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.rivals.bradley_terry import BradleyTerry, strengths
from gmt.routing.kernels import centred
from gmt.routing.pairwise import Votes, log_loss, votes_of

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

        A pass adds, for each model, the sum of its edges' residuals over the sum of what they can tell
        plus `ridge`, both weighted by exp((cosine - 1) / temperature): one Newton step of a local fit.
        """
        known, asked = (np.tile(self.strength, (len(nodes), 1)) for nodes in (self.unit, unit))
        for left in reversed(range(rounds)):
            residual, information = self._edges(known)
            for nodes, scores in ((unit, asked), (self.unit, known))[: 2 if left else 1]:
                for part, cosine in self.similarities(nodes):
                    weight = np.exp((cosine - 1) / temperature)
                    scores[part] += (weight @ residual) / (weight @ information + ridge)
        return asked

    def _edges(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return two (Q, M) sums over each edge's votes under (Q, M) scores: of residuals, and of information."""
        votes, shape = self.votes, scores.shape
        chance = expit(scores[self.node, votes.a] - scores[self.node, votes.b])
        error, told = votes.y - chance, chance * (1 - chance)
        cell = np.concatenate([self.node * shape[1] + votes.a, self.node * shape[1] + votes.b])
        size = shape[0] * shape[1]
        residual = np.bincount(cell, np.concatenate([error, -error]), size).reshape(shape)
        return residual, np.bincount(cell, np.concatenate([told, told]), size).reshape(shape)


class GraphPropagation:
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

    name = "graph_router"

    def __init__(self, temperature: float = 0.05, ridge: float = 2.0, rounds: int = 1, variance: float = 1.0) -> None:
        self.temperature, self.ridge, self.rounds, self.variance = temperature, ridge, rounds, variance
        self._last: tuple[Dataset, QueryGraph] | None = None

    def fit(self, data: Dataset) -> Self:
        """Choose the strengths' variance, then the passes, by the log loss of the VALID votes."""
        self._last = None
        self.variance = BradleyTerry(self.variance).fit(data).variance
        train, asked = (data.select(data.table.split == code) for code in (TRAIN, VALID))
        valid, graph = votes_of(asked.table), QueryGraph.of(train, self.variance)
        if not len(graph.votes) or not len(valid):
            return self
        codes, of = np.unique(asked.table.query[valid.comparison], return_inverse=True)
        unit, of = centred(data.vectors[codes], graph.centre), of.reshape(-1)

        def loss(settings: tuple[float, float, int]) -> float:
            scores = graph.propagate(unit, *settings)
            return log_loss(scores[of, valid.a] - scores[of, valid.b], valid.y)

        with threadpool_limits(1):
            self.temperature, self.ridge, self.rounds = min(product(TEMPERATURES, RIDGES, ROUNDS), key=loss)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the visible votes on the queries nearest to the one asked."""
        if self._last is None or self._last[0] is not history:
            self._last = history, QueryGraph.of(history, self.variance)
        graph = self._last[1]
        codes, of = np.unique(questions.query, return_inverse=True)
        unit = centred(history.vectors[codes], graph.centre)
        with threadpool_limits(1):
            scores = graph.propagate(unit, self.temperature, self.ridge, self.rounds)[of.reshape(-1)]
        read = np.take_along_axis(scores, np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.candidates >= 0, read, -np.inf)
