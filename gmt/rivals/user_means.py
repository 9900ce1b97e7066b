"""Average what people told of models, drawn to wider means where they told little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable


@dataclass(frozen=True, eq=False)
class PersonMeans:
    """Hold everybody's mean rating of every model.

    Args:
        total, count: (U + 1, M) sums and numbers of ratings; the last row is nobody's.
        overall: (M,) means of all, drawn to the mean of all models.
        smoothing: How many ratings `overall` counts for.
    """

    total: np.ndarray
    count: np.ndarray
    overall: np.ndarray
    smoothing: float

    def of(self, user: np.ndarray) -> np.ndarray:
        """Return the (N, M) means of people; -1 is nobody."""
        mean = (self.total + self.smoothing * self.overall) / (self.count + self.smoothing)
        return mean[user]

    def without(self, user: np.ndarray, model: int, rating: np.ndarray) -> np.ndarray:
        """Return (N,) means of one model as they were without one rating each."""
        total, count = self.total[user, model] - rating, self.count[user, model] - 1
        return (total + self.smoothing * self.overall[model]) / (count + self.smoothing)


def person_means(
    user: np.ndarray, model: np.ndarray, rating: np.ndarray, shape: tuple[int, int], smoothing: float
) -> PersonMeans:
    """Add up N ratings by (user, model); `shape` is (U, M)."""
    users, models = shape[0] + 1, shape[1]
    cell = user * models + model
    count = np.bincount(cell, minlength=users * models).reshape(users, models).astype(float)
    total = np.bincount(cell, rating, users * models).reshape(users, models)
    middle = rating.mean() if len(rating) else 0.0
    overall = (total.sum(axis=0) + smoothing * middle) / (count.sum(axis=0) + smoothing)
    return PersonMeans(total, count, overall, smoothing)


def person_task_means(table: InteractionTable, smoothing: float, user: np.ndarray, task: np.ndarray) -> np.ndarray:
    """Return (C, M) mean ratings by people on tasks, each drawn to the person's mean of the model on all tasks.

    Args:
        table: The visible comparisons.
        smoothing: How many ratings a wider mean counts for.
        user, task: (C,) codes, -1 for somebody or something unknown.
    """
    rows = np.flatnonzero(~np.isnan(table.rating))
    at, models, tasks = table.row_comparison[rows], len(table.models), len(table.tasks) + 1
    own = table.user[at]
    means = person_means(own, table.model[rows], table.rating[rows], (len(table.users), models), smoothing)
    users = len(table.users) + 1
    cell = np.where(table.task[at] < 0, own * tasks + tasks - 1, own * tasks + table.task[at])
    keys = cell * models + table.model[rows]
    size = users * tasks * models
    count = np.bincount(keys, minlength=size).reshape(-1, models)
    total = np.bincount(keys, table.rating[rows], size).reshape(-1, models)
    asked = np.where(user < 0, users - 1, user) * tasks + np.where(task < 0, tasks - 1, task)
    return (total[asked] + smoothing * means.of(user)) / (count[asked] + smoothing)
