"""Rank models by their ratings on the most similar past questions."""

from __future__ import annotations

from itertools import product
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.model_means import model_means
from gmt.rivals.rival import Rival, at_candidates
from gmt.routing.grid import ValidationVotes, best_setting

NEIGHBOURS, OWN_WEIGHTS, NEIGHBOUR_SMOOTHING = (5, 20, 80, 320), (1.0, 4.0, 16.0), 3.0
SIMILARITIES_AT_ONCE, ROUNDING = 8_000_000, 1e-5


class NearestQuestions(Rival):
    """Score a model by its ratings on the most similar past questions, the user's own counting more.

    Args:
        neighbours: How many past ratings of each candidate are read.
        own_weight: How many times the similarity of the user's own ratings counts.

    `fit` replaces both by the best on VALID.
    """

    name, saved = "knn", ("neighbours", "own_weight")

    def __init__(self, neighbours: int = 20, own_weight: float = 4.0) -> None:
        self.neighbours, self.own_weight = neighbours, own_weight

    def fit(self, data: Dataset) -> Self:
        """Choose both settings by the log loss of the VALID votes."""
        votes = ValidationVotes.of(data)
        if votes is not None:
            self.neighbours, self.own_weight = best_setting(
                product(NEIGHBOURS, OWN_WEIGHTS), lambda settings: votes.losses_of(NearestQuestions(*settings))
            )
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by similarity-weighted mean rating, drawn towards the model's mean."""
        table, means = history.table, model_means(history.table)
        scores = at_candidates(means, questions)
        # Model by model, for the neighbours are the nearest ratings of that model and not of any.
        for model in np.unique(questions.candidates[questions.mask]):
            rows = np.flatnonzero((table.model == model) & ~np.isnan(table.rating))
            targets, slots = np.nonzero(questions.candidates == model)
            batch = max(1, SIMILARITIES_AT_ONCE // max(len(rows), 1))
            for start in range(0, len(targets) if len(rows) else 0, batch):
                part = slice(start, start + batch)
                sums, weights = self._gather(history, rows, questions.select(targets[part]))
                drawn = (sums + NEIGHBOUR_SMOOTHING * means[model]) / (weights + NEIGHBOUR_SMOOTHING)
                scores[targets[part], slots[part]] = drawn
        return scores

    def _gather(self, history: Dataset, rows: np.ndarray, targets: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return (C,) weighted sums of the nearest ratings among `rows`, and (C,) sums of the weights."""
        table, of = history.table, history.table.row_comparison[rows]
        similarity = history.vectors[targets.query] @ history.vectors[table.query[of]].T
        # A query that points the other way says nothing; a negative weight would turn its rating round.
        weight = np.maximum(similarity, 0.0).astype(float)
        weight *= np.where(targets.user[:, None] == table.user[of], self.own_weight, 1.0)
        if self.neighbours < len(rows):
            # Those as near as the last neighbour share its place, or rounding would choose among them.
            last = -np.partition(-weight, self.neighbours - 1, axis=1)[:, self.neighbours - 1 : self.neighbours]
            nearer, equal = weight > last + ROUNDING, np.abs(weight - last) <= ROUNDING
            free = self.neighbours - nearer.sum(axis=1, keepdims=True)
            # Those at the edge divide the places left among them.
            weight *= nearer + equal * free / equal.sum(axis=1, keepdims=True)
        return weight @ table.rating[rows], weight.sum(axis=1)
