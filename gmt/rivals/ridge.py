"""Rank models by a ridge regression of their ratings on the query, plus the user's mean residual."""

from __future__ import annotations

from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.rival import Rival
from gmt.rivals.shrunk_means import CentredRatings
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.one_thread import one_thread

RIDGES = (3000.0, 300.0, 30.0, 3.0)
USER_SMOOTHING = 3.0


class Ridge(Rival):
    """Score a model by a ridge regression of its ratings on text vector and task, plus the user's mean residual.

    Source: ridge and logistic regression on embeddings as routers (LLMRouter, ulab-uiuc); user offsets are ours.

    Args:
        ridge: Strength of the ridge; `fit` replaces it by the best on VALID.
    """

    name, saved = "ridge", ("ridge",)

    def __init__(self, ridge: float = 300.0) -> None:
        self.ridge = ridge
        self._last: tuple[Dataset, tuple[np.ndarray, np.ndarray]] | None = None

    def fit(self, data: Dataset) -> Self:
        """Choose the ridge by the log loss of the VALID votes."""
        self._last, votes = None, ValidationVotes.of(data)
        if votes is not None:
            self.ridge = best_setting(RIDGES, lambda value: votes.losses_of(Ridge(value)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the regression on the visible ratings."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self._learn(history)
        weights, offsets = self._last[1]
        features = _features(history, questions.query, questions.task)
        scores = np.einsum("cd,ckd->ck", features, weights[np.maximum(questions.candidates, 0)])
        scores += np.take_along_axis(offsets[questions.user], np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.mask, scores, -np.inf)

    def _learn(self, history: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return (M, D) weights, and (U + 1, M) offsets of users, the last row that of an unknown user."""
        return self._regress(history, CentredRatings.of(history.table))

    def _regress(self, history: Dataset, rows: CentredRatings) -> tuple[np.ndarray, np.ndarray]:
        """Regress ratings, or what something else leaves of them; return what `_learn` does."""
        from sklearn.linear_model import Ridge as Regression

        models = len(history.table.models)
        width = history.vectors.shape[1] + len(history.table.tasks) + 1
        # 1. A regression per model, whose intercept is the weight of the constant feature.
        weights, rest = np.zeros((models, width)), rows.rating.copy()
        with one_thread():
            for model in np.unique(rows.model):
                own = np.flatnonzero(rows.model == model)
                features = _features(history, rows.query[own], rows.task[own])
                fitted = Regression(self.ridge).fit(features[:, :-1], rows.rating[own])
                weights[model] = np.append(fitted.coef_, fitted.intercept_)
                rest[own] -= features @ weights[model]
        # 2. What a user rates above or below the regression, drawn to 0.
        users = len(history.table.users)
        cell = rows.user * models + rows.model
        count = np.bincount(cell, minlength=(users + 1) * models).reshape(users + 1, models)
        total = np.bincount(cell, rest, (users + 1) * models).reshape(users + 1, models)
        return weights, total / (count + USER_SMOOTHING)


def _features(data: Dataset, query: np.ndarray, task: np.ndarray) -> np.ndarray:
    """Return (N, W + T + 1) text vector, task and a constant."""
    # Task -1 reads the last row of the identity, whose own column is cut off: an unknown task is all zeros.
    own = np.eye(len(data.table.tasks) + 1)[task][:, :-1] if len(data.table.tasks) else np.zeros((len(query), 0))
    return np.concatenate([data.vectors[query], own, np.ones((len(query), 1))], axis=1)
