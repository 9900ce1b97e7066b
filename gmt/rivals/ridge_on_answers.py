"""Let the ridge regression also read what the visible answers look like and say."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.answer_features import KnownAnswers
from gmt.rivals.ridge import RIDGES, Ridge
from gmt.rivals.shrunk_means import CentredRatings
from gmt.routing.grid import ValidationVotes, best_setting

ANSWER_RIDGES = (30000.0, 10000.0, 3000.0, 1000.0, 300.0, 30.0)


class RidgeAnswers(Ridge):
    """Extend the ridge by the features of visible answers that gmt reads, weighed by everybody and by each user.

    Both are regressed first, on ratings and features less the means of their comparison; the ridge of the query and the
    user's mean residual explain what they leave.

    Args:
        ridge: As of `Ridge`.
        answer_ridge: Strength of the ridge of both kinds of weights; `fit` chooses it with the other.
    """

    name, saved = "ridge_answers", ("ridge", "answer_ridge")

    def __init__(self, ridge: float = 300.0, answer_ridge: float = 300.0) -> None:
        super().__init__(ridge)
        self.answer_ridge = answer_ridge
        self._read: tuple[Dataset, tuple[KnownAnswers, np.ndarray]] | None = None

    def fit(self, data: Dataset) -> Self:
        """Choose both ridges by the log loss of the VALID votes."""
        self._last, votes = None, ValidationVotes.of(data)
        if votes is not None:
            choices = product(RIDGES, ANSWER_RIDGES)
            self.ridge, self.answer_ridge = best_setting(choices, lambda both: votes.losses_of(RidgeAnswers(*both)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the regression and by their answers, a model's mean where one is not visible."""
        scores = super().score(history, questions)
        answers, weights = self._described(history)
        # Not centred: what is taken off all candidates alike changes no difference between them.
        described = answers.of_candidates(history, questions)
        scores += np.einsum("ckf,cf->ck", described, weights[questions.user])
        return np.where(questions.mask, scores, -np.inf)

    def _learn(self, history: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return what the ridge of the query makes of what the answers leave."""
        rows = CentredRatings.of(history.table)
        answers, weights = self._described(history)
        explained = (_centred(answers, history, rows) * weights[rows.user]).sum(axis=1)
        return self._regress(history, replace(rows, rating=rows.rating - explained))

    def _described(self, history: Dataset) -> tuple[KnownAnswers, np.ndarray]:
        """Return what describes the visible answers, and (U + 1, F) weights of it, the last row those of all users."""
        if self._read is None or self._read[0] is not history:
            answers, rows = KnownAnswers.of(history), CentredRatings.of(history.table)
            self._read = history, (answers, _weights(_centred(answers, history, rows), rows, self.answer_ridge))
        return self._read[1]


def _centred(answers: KnownAnswers, history: Dataset, rows: CentredRatings) -> np.ndarray:
    """Return (N, F) features of the answers of the N rated rows, less the mean of their comparison as ratings are."""
    described = answers.of_rows(history)[~np.isnan(history.table.rating)]
    count = np.maximum(np.bincount(rows.comparison, minlength=len(history.table)), 1)
    total = np.stack([np.bincount(rows.comparison, column, len(history.table)) for column in described.T], axis=1)
    return described - (total / count[:, None])[rows.comparison]


def _weights(described: np.ndarray, rows: CentredRatings, ridge: float) -> np.ndarray:
    """Return (U + 1, F) weights of the features, those of all users in the last row and drawn to them in the others."""
    width = described.shape[1]
    drawn = ridge * np.eye(width)
    shared = np.linalg.solve(described.T @ described + drawn, described.T @ rows.rating)
    weights = np.tile(shared, (rows.shape[0] + 1, 1))
    # Own weights explain what the shared ones leave, so that a user with few ratings stays near these.
    rest = rows.rating - described @ shared
    for user in np.unique(rows.user):
        own = described[rows.user == user]
        weights[user] += np.linalg.solve(own.T @ own + drawn, own.T @ rest[rows.user == user])
    return weights
