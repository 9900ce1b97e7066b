"""Average the ratings of each user, drawn to wider means where there are few."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.rivals.model_means import model_means


@dataclass(frozen=True, eq=False)
class ShrunkMeans:
    """Hold every user's mean rating of every model, drawn to the mean of all users.

    Args:
        total, count: (U + 1, M) sums and numbers of ratings; the last row is for an unknown user.
        overall: (M,) means over all users, drawn to the mean of all models.
        smoothing: How many ratings `overall` counts for.
    """

    total: np.ndarray
    count: np.ndarray
    overall: np.ndarray
    smoothing: float

    @classmethod
    def of(
        cls, user: np.ndarray, model: np.ndarray, rating: np.ndarray, shape: tuple[int, int], smoothing: float
    ) -> ShrunkMeans:
        """Add up N ratings by (user, model); `shape` is (U, M)."""
        # One row without ratings behind the users: code -1 reads it, and gets the mean of all users.
        users, models = shape[0] + 1, shape[1]
        cell = user * models + model
        count = np.bincount(cell, minlength=users * models).reshape(users, models).astype(float)
        total = np.bincount(cell, rating, users * models).reshape(users, models)
        middle = rating.mean() if len(rating) else 0.0
        overall = (total.sum(axis=0) + smoothing * middle) / (count.sum(axis=0) + smoothing)
        return cls(total, count, overall, smoothing)

    def at(self, user: np.ndarray) -> np.ndarray:
        """Return the (N, M) means of N users; -1 is an unknown user."""
        mean = (self.total + self.smoothing * self.overall) / (self.count + self.smoothing)
        return mean[user]

    def without(self, user: np.ndarray, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Return the (N, M) means of N users as they were without some of their ratings.

        Args:
            user: (N,) codes.
            total, count: (N, M) sums and numbers of the ratings to leave out.
        """
        total, count = self.total[user] - total, self.count[user] - count
        return (total + self.smoothing * self.overall) / (count + self.smoothing)


@dataclass(frozen=True, eq=False)
class CentredRatings:
    """Hold the N rated rows of a table, ratings less the mean of their comparison where it rates several.

    Args:
        comparison: (N,) positions in the table, ascending.
        query, task, user, model: (N,) codes as in the table.
        rating: (N,) centred ratings; a lone one is less the mean of all.
        shape: (U, M).
    """

    comparison: np.ndarray
    query: np.ndarray
    task: np.ndarray
    user: np.ndarray
    model: np.ndarray
    rating: np.ndarray
    shape: tuple[int, int] = field(default=(0, 0))

    @classmethod
    def of(cls, table: InteractionTable) -> CentredRatings:
        """Read a table."""
        rows = np.flatnonzero(~np.isnan(table.rating))
        at, rating = table.row_comparison[rows], table.rating[rows]
        count = np.bincount(at, minlength=len(table))
        # Ratings of one comparison share its query, so their mean says how easy it was and not which model is good.
        mean = np.bincount(at, rating, len(table)) / np.maximum(count, 1)
        overall = rating.mean() if len(rating) else 0.0
        # A lone rating less its own mean would be 0 and say nothing.
        middle = np.where(count > 1, mean, overall)[at]
        shape = len(table.users), len(table.models)
        return cls(at, table.query[at], table.task[at], table.user[at], table.model[rows], rating - middle, shape)

    def beside(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add up the ratings of the comparisons that some rows, one of each comparison, belong to.

        Args:
            rows: (R,) ascending positions among the N.

        Returns:
            Two (R, M) matrices: sums and numbers of the ratings of each row's comparison, its own included.
        """
        # All rated rows of those comparisons, for centring ties each rating to the others beside it.
        inside, models = np.flatnonzero(np.isin(self.comparison, self.comparison[rows])), self.shape[1]
        cell = np.searchsorted(self.comparison[rows], self.comparison[inside]) * models + self.model[inside]
        size, shape = len(rows) * models, (len(rows), models)
        return np.bincount(cell, self.rating[inside], size).reshape(shape), np.bincount(cell, minlength=size).reshape(
            shape
        )

    def means(self, smoothing: float) -> ShrunkMeans:
        """Return the means of these ratings by user and model."""
        return ShrunkMeans.of(self.user, self.model, self.rating, self.shape, smoothing)


def user_means(table: InteractionTable, smoothing: float) -> np.ndarray:
    """Return (U + 1, M) each user's mean ratings drawn towards the model's; the last row is for an unknown user."""
    users, models = len(table.users) + 1, len(table.models)
    rated = ~np.isnan(table.rating)
    cell = table.user[table.row_comparison[rated]] * models + table.model[rated]
    counts = np.bincount(cell, minlength=users * models).reshape(users, models)
    sums = np.bincount(cell, table.rating[rated], users * models).reshape(users, models)
    return (sums + smoothing * model_means(table)) / (counts + smoothing)


def user_task_means(table: InteractionTable, smoothing: float, user: np.ndarray, task: np.ndarray) -> np.ndarray:
    """Return (C, M) mean ratings by users on tasks, each drawn to the user's mean of the model on all tasks.

    Args:
        table: The visible comparisons.
        smoothing: How many ratings a wider mean counts for.
        user, task: (C,) codes, -1 for an unknown user or task.
    """
    rows = np.flatnonzero(~np.isnan(table.rating))
    at, models, tasks = table.row_comparison[rows], len(table.models), len(table.tasks) + 1
    own = table.user[at]
    means = ShrunkMeans.of(own, table.model[rows], table.rating[rows], (len(table.users), models), smoothing)
    users = len(table.users) + 1
    # Task -1 has the last place of each user.
    cell = np.where(table.task[at] < 0, own * tasks + tasks - 1, own * tasks + table.task[at])
    keys = cell * models + table.model[rows]
    size = users * tasks * models
    count = np.bincount(keys, minlength=size).reshape(-1, models)
    total = np.bincount(keys, table.rating[rows], size).reshape(-1, models)
    target = np.where(user < 0, users - 1, user) * tasks + np.where(task < 0, tasks - 1, task)
    # Shrunk twice: to the user's mean on all tasks, and that one to the mean of all users.
    return (total[target] + smoothing * means.at(user)) / (count[target] + smoothing)
