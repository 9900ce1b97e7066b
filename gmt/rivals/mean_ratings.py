"""Rank models by mean ratings: of everybody, of the user, of the user on a task."""

from __future__ import annotations

from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.model_means import model_means
from gmt.rivals.rival import Rival, at_candidates
from gmt.rivals.shrunk_means import user_means, user_task_means
from gmt.routing.grid import ValidationVotes, best_setting

SMOOTHINGS = (1.0, 3.0, 10.0, 30.0)


class ModelMean(Rival):
    """Score a model by its mean visible rating, the same for everybody."""

    name = "model_mean"

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the means come from the visible history."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by smoothed mean rating."""
        return at_candidates(model_means(history.table), questions)


class BestSingle(Rival):
    """Always choose the model with the highest mean visible rating; all others are one."""

    name = "best_single"

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the best model is read off the visible history."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates: the best model 1 and every other 0."""
        # The first of equally good models, so that the choice is the same in every process.
        best = int(np.argmax(model_means(history.table))) if len(history.table.models) else 0
        return np.where(questions.mask, (questions.candidates == best).astype(float), -np.inf)


class UserMean(Rival):
    """Score a model by the user's own mean rating of it, drawn towards everybody's.

    Args:
        smoothing: How many ratings everybody's mean counts for; `fit` replaces it by the best on VALID.
    """

    name, saved = "user_mean", ("smoothing",)

    def __init__(self, smoothing: float = 3.0) -> None:
        self.smoothing = smoothing

    def fit(self, data: Dataset) -> Self:
        """Choose the smoothing by the log loss of the VALID votes."""
        votes = ValidationVotes.of(data)
        if votes is not None:
            self.smoothing = best_setting(SMOOTHINGS, lambda value: votes.losses_of(UserMean(value)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the user's smoothed means; an unknown user gets everybody's."""
        # Code -1, an unknown user, reads the last row, which holds no ratings of its own.
        return at_candidates(user_means(history.table, self.smoothing)[questions.user], questions)


class UserTaskMean(Rival):
    """Score a model by the user's own mean rating of it on this task, drawn to their mean of it anywhere.

    Source: the best model per user and task, as PersonalizedRouter (arXiv 2511.16883) compares with; smoothing is ours.

    Args:
        smoothing: How many ratings the wider mean counts for; `fit` replaces it by the best on VALID.
    """

    name, saved = "user_task_mean", ("smoothing",)

    def __init__(self, smoothing: float = 3.0) -> None:
        self.smoothing = smoothing

    def fit(self, data: Dataset) -> Self:
        """Choose the smoothing by the log loss of the VALID votes."""
        votes = ValidationVotes.of(data)
        if votes is not None:
            self.smoothing = best_setting(SMOOTHINGS, lambda value: votes.losses_of(UserTaskMean(value)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the smoothed mean; what was never rated gets the wider mean."""
        means = user_task_means(history.table, self.smoothing, questions.user, questions.task)
        return at_candidates(means, questions)
