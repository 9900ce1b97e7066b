"""Score models by Elo ratings: shared by everybody, then moved by the asking user's own votes."""

from __future__ import annotations

from itertools import product
from math import exp
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.routing.pairwise import Votes, log_loss, votes_of

STEPS, USER_STEPS = (0.02, 0.05, 0.1, 0.2), (0.05, 0.1, 0.2, 0.4, 0.8)
SHRINKAGES = (0.0, 3.0, 10.0, 30.0, 100.0)
STEEPEST = 500.0  # beyond such a logit a chance is 0 or 1, and exp would overflow


def in_order(table: InteractionTable) -> Votes:
    """Read a table's votes by time; those without one come last, in the order of the table."""
    votes = votes_of(table)
    return votes.select(np.argsort(table.timestamp[votes.comparison], kind="stable"))


def shared_ratings(votes: Votes, models: int, step: float) -> np.ndarray:
    """Play everybody's votes in their order; returns (M,) ratings in logits, 0 where a model never met another."""
    return _play(np.zeros(len(votes), dtype=np.int64), votes, np.zeros(models), 1, step)[0]


def own_ratings(votes: Votes, users: int, shared: np.ndarray, step: float, shrinkage: float) -> np.ndarray:
    """Play each user's votes on from the shared ratings, and draw the outcome back towards these.

    Args:
        votes: V votes in their order.
        users: U, the size of the vocabulary; who has no vote keeps the shared ratings.
        shared: (M,) ratings to begin from.
        step: K, what a wholly unexpected vote moves, in logits.
        shrinkage: How many votes the shared ratings count for.

    Returns:
        (U, M) ratings in logits.
    """
    moved = _play(votes.user, votes, shared, users, step)
    counts = np.bincount(votes.user, minlength=users)[:, None]
    return shared + counts / np.maximum(counts + shrinkage, 1e-12) * (moved - shared)


def _play(player: np.ndarray, votes: Votes, start: np.ndarray, players: int, step: float) -> np.ndarray:
    """Return (P, M) ratings after every player's votes, each player beginning at (M,) `start`."""
    models = len(start)
    rating = np.tile(start, players).tolist()  # a list: this loop reads and writes single numbers
    first, second = (player * models + votes.a).tolist(), (player * models + votes.b).tolist()
    for a, b, y in zip(first, second, votes.y.tolist(), strict=True):
        logit = max(-STEEPEST, min(STEEPEST, rating[a] - rating[b]))
        change = step * (y - 1 / (1 + exp(-logit)))
        rating[a] += change
        rating[b] -= change
    return np.array(rating).reshape(players, models)


class UserElo:
    """Rank models by Elo ratings of the asking user, who begins at everybody's ratings and is drawn back to them.

    Source: Elo, The Rating of Chessplayers (1978); simplified: one K each for shared and own ratings, no decay.

    Args:
        step, user_step: K of the shared and of the own ratings, in logits.
        shrinkage: How many votes the shared ratings count for.

    `fit` replaces all three by the best on VALID.
    """

    name = "user_elo"

    def __init__(self, step: float = 0.1, user_step: float = 0.2, shrinkage: float = 10.0) -> None:
        self.step, self.user_step, self.shrinkage = step, user_step, shrinkage

    def fit(self, data: Dataset) -> Self:
        """Choose the shared K, then the users' K and shrinkage, by the log loss of the VALID votes."""
        table = data.table
        train, valid = (in_order(table.select(table.split == code)) for code in (TRAIN, VALID))
        if not len(train) or not len(valid):
            return self
        models, users = len(table.models), len(table.users)

        def shared_loss(step: float) -> float:
            rating = shared_ratings(train, models, step)
            return log_loss(rating[valid.a] - rating[valid.b], valid.y)

        self.step = min(STEPS, key=shared_loss)
        shared = shared_ratings(train, models, self.step)

        def own_loss(settings: tuple[float, float]) -> float:
            rating = own_ratings(train, users, shared, *settings)
            return log_loss(rating[valid.user, valid.a] - rating[valid.user, valid.b], valid.y)

        self.user_step, self.shrinkage = min(product(USER_STEPS, SHRINKAGES), key=own_loss)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the asker's ratings after the visible votes; a stranger gets everybody's."""
        table, votes = history.table, in_order(history.table)
        shared = shared_ratings(votes, len(table.models), self.step)
        # One row more than there are users: row -1 is a stranger's.
        own = own_ratings(votes, len(table.users) + 1, shared, self.user_step, self.shrinkage)
        offered = questions.candidates >= 0
        return np.where(offered, own[questions.user[:, None], np.where(offered, questions.candidates, 0)], -np.inf)
