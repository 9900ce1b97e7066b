"""Offer rivals that learn a rating from what is asked and who asks: means by task, ridge, boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.rivals.user_means import person_means, person_task_means
from gmt.routing.kernels import principal_axes
from gmt.routing.pairwise import choices

SMOOTHINGS = (1.0, 3.0, 10.0, 30.0)
RIDGES = (3000.0, 300.0, 30.0, 3.0)
COMPONENTS, ROUNDS = 24, 60
USER_SMOOTHING = 3.0


def choice_reward(scores: np.ndarray, ratings: np.ndarray) -> float:
    """Return the mean rating of the best-scored rated candidate, 0 where nowhere two are rated.

    Args:
        scores, ratings: (C, K), NaN where unrated.
    """
    earned = choices(scores, ratings)[0]
    return float(earned.mean()) if len(earned) else 0.0


def best_of(routers: list[Any], data: Dataset) -> Any:
    """Return the router whose choices on VALID earned the highest ratings, the first of equals.

    Each is fitted to the TRAIN comparisons it is asked with.
    """
    history, valid = (data.select(data.table.split == code) for code in (TRAIN, VALID))
    if not len(valid.table) or len(routers) == 1:
        return routers[0]
    asked = data.questions(np.flatnonzero(data.table.split == VALID))
    earned = [choice_reward(router.score(history, asked), valid.table.ratings) for router in routers]
    return routers[int(np.argmax(np.round(earned, 9)))]


class UserTaskMean:
    """Score a model by the asker's own mean rating of it on this task, drawn to their mean of it anywhere.

    Source: the best model per user and task, as PersonalizedRouter (arXiv 2511.16883) compares with; smoothing is ours.

    Args:
        smoothing: How many ratings the wider mean counts for; `fit` chooses it on VALID.
    """

    name = "user_task_mean"

    def __init__(self, smoothing: float = 3.0) -> None:
        self.smoothing = smoothing

    def fit(self, data: Dataset) -> Self:
        """Choose the smoothing by what the choices on VALID earned."""
        self.smoothing = best_of([UserTaskMean(value) for value in SMOOTHINGS], data).smoothing
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the smoothed mean; what was never rated gets the wider mean."""
        means = person_task_means(history.table, self.smoothing, questions.user, questions.task)
        read = np.take_along_axis(means, np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.candidates >= 0, read, -np.inf)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Hold the N rated rows of a history, ratings less the mean of their comparison where it has several."""

    query: np.ndarray
    task: np.ndarray
    user: np.ndarray
    model: np.ndarray
    rating: np.ndarray

    @classmethod
    def of(cls, table: InteractionTable) -> _Rows:
        rows = np.flatnonzero(~np.isnan(table.rating))
        at, rating = table.row_comparison[rows], table.rating[rows]
        count = np.bincount(at, minlength=len(table))
        mean = np.bincount(at, rating, len(table)) / np.maximum(count, 1)
        overall = rating.mean() if len(rating) else 0.0
        middle = np.where(count > 1, mean, overall)[at]
        return cls(table.query[at], table.task[at], table.user[at], table.model[rows], rating - middle)


class Ridge:
    """Score a model by a ridge regression of its ratings on text vector and task, plus the asker's mean residual.

    Source: ridge and logistic regression on embeddings as routers (LLMRouter, ulab-uiuc); user offsets are ours.

    Args:
        ridge: Strength of the ridge; `fit` chooses it on VALID.
    """

    name = "ridge"

    def __init__(self, ridge: float = 300.0) -> None:
        self.ridge = ridge
        self._last: tuple[Dataset, tuple[np.ndarray, np.ndarray]] | None = None

    def fit(self, data: Dataset) -> Self:
        """Choose the ridge by what the choices on VALID earned."""
        self.ridge, self._last = best_of([Ridge(value) for value in RIDGES], data).ridge, None
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the regression on the visible ratings."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self._learn(history)
        weights, offsets = self._last[1]
        features = _features(history, questions.query, questions.task)
        scores = np.einsum("cd,ckd->ck", features, weights[np.maximum(questions.candidates, 0)])
        scores += np.take_along_axis(offsets[questions.user], np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.candidates >= 0, scores, -np.inf)

    def _learn(self, history: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return (M, D) weights, and (U + 1, M) offsets of people, the last row nobody's."""
        from sklearn.linear_model import Ridge as Regression

        rows, models = _Rows.of(history.table), len(history.table.models)
        width = history.vectors.shape[1] + len(history.table.tasks) + 1
        weights, rest = np.zeros((models, width)), rows.rating.copy()
        with threadpool_limits(1):
            for model in np.unique(rows.model):
                own = np.flatnonzero(rows.model == model)
                features = _features(history, rows.query[own], rows.task[own])
                fitted = Regression(self.ridge).fit(features[:, :-1], rows.rating[own])
                weights[model] = np.append(fitted.coef_, fitted.intercept_)
                rest[own] -= features @ weights[model]
        users = len(history.table.users)
        cell = rows.user * models + rows.model
        count = np.bincount(cell, minlength=(users + 1) * models).reshape(users + 1, models)
        total = np.bincount(cell, rest, (users + 1) * models).reshape(users + 1, models)
        return weights, total / (count + USER_SMOOTHING)


class BoostedTrees:
    """Score a model by boosted trees on text components, task and the asker's mean rating of every model.

    Source: gradient boosting as a router (LLMRouter, ulab-uiuc), scikit-learn's histogram trees; the asker's means are
    left-one-out in training, so that no rating explains itself.

    Args:
        seed: Of the trees.
    """

    name = "boosted_trees"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._fitted: tuple[list[Any], np.ndarray, np.ndarray] | None = None

    def fit(self, data: Dataset) -> Self:
        """Grow the trees of every model on the TRAIN ratings."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        history = data.select(data.table.split == TRAIN)
        rows, table = _Rows.of(history.table), history.table
        centre, _, basis = principal_axes(history.vectors[np.unique(history.table.query)], COMPONENTS)
        models, trees = len(table.models), []
        means = person_means(rows.user, rows.model, rows.rating, (len(table.users), models), USER_SMOOTHING)
        with threadpool_limits(1):
            for model in range(models):
                own = np.flatnonzero(rows.model == model)
                if len(own) < 20:
                    trees.append(float(rows.rating[own].mean()) if len(own) else None)
                    continue
                told = means.of(rows.user[own])
                told[:, model] = means.without(rows.user[own], model, rows.rating[own])
                text = _places(history, rows.query[own], centre, basis)
                features = np.column_stack([text, rows.task[own], told])
                tree = HistGradientBoostingRegressor(
                    max_iter=ROUNDS,
                    learning_rate=0.05,
                    max_leaf_nodes=8,
                    l2_regularization=10.0,
                    random_state=self.seed,
                )
                trees.append(tree.fit(features, rows.rating[own]))
        self._fitted = trees, centre, basis
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the trees, the asker's means being those of the visible history."""
        assert self._fitted is not None
        trees, centre, basis = self._fitted
        table, rows = history.table, _Rows.of(history.table)
        models = len(table.models)
        means = person_means(rows.user, rows.model, rows.rating, (len(table.users), models), USER_SMOOTHING)
        text = _places(history, questions.query, centre, basis)
        features = np.column_stack([text, questions.task, means.of(questions.user)[:, : len(trees)]])
        overall = means.overall
        out = np.tile(overall, (len(questions), 1))
        with threadpool_limits(1):
            for model, tree in enumerate(trees):
                if tree is not None and len(questions):
                    out[:, model] = tree if isinstance(tree, float) else tree.predict(features)
        read = np.take_along_axis(out, np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.candidates >= 0, read, -np.inf)


def _features(data: Dataset, query: np.ndarray, task: np.ndarray) -> np.ndarray:
    """Return (N, W + T + 1) text vector, task and a constant."""
    own = np.eye(len(data.table.tasks) + 1)[task][:, :-1] if len(data.table.tasks) else np.zeros((len(query), 0))
    return np.concatenate([data.vectors[query], own, np.ones((len(query), 1))], axis=1)


def _places(data: Dataset, query: np.ndarray, centre: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return (N, R) coordinates of queries, rounded: trees must not split on how large the batch was."""
    return np.round((data.vectors[query] - centre) @ basis, 6)
