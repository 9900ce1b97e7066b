"""Score models by Elo ratings: shared by everybody, then moved by the user's own votes."""

from __future__ import annotations

from itertools import product
from math import exp
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable
from gmt.rivals.rival import Rival, at_candidates
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.pairwise import Votes, votes_of

STEPS, USER_STEPS = (0.02, 0.05, 0.1, 0.2), (0.05, 0.1, 0.2, 0.4, 0.8)
SHRINKAGES = (0.0, 3.0, 10.0, 30.0, 100.0)
STEEPEST = 500.0  # beyond such a logit a chance is 0 or 1, and exp would overflow


def in_order(table: InteractionTable) -> Votes:
    """Read a table's votes by time; those without one come last, in the order of the table."""
    votes = votes_of(table)
    # Elo depends on the order; NaN sorts last, and a stable sort leaves equal times in table order.
    return votes.select(np.argsort(table.timestamp[votes.comparison], kind="stable"))


def shared_ratings(votes: Votes, models: int, step: float) -> np.ndarray:
    """Play everybody's votes in their order; returns (M,) ratings in logits, 0 where a model never met another."""
    # One player casts all votes, so that shared and own ratings are played by the same loop.
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
    # Shrinkage 0 and no vote would divide 0 by 0; the user then keeps the shared ratings.
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


class UserElo(Rival):
    """Rank models by Elo ratings of the user, who begins at everybody's ratings and is drawn back to them.

    Source: Elo, The Rating of Chessplayers (1978); simplified: one K each for shared and own ratings, no decay.

    Args:
        step, user_step: K of the shared and of the own ratings, in logits.
        shrinkage: How many votes the shared ratings count for.

    `fit` replaces all three by the best on VALID.
    """

    name, logits, saved = "user_elo", True, ("step", "user_step", "shrinkage")

    def __init__(self, step: float = 0.1, user_step: float = 0.2, shrinkage: float = 10.0) -> None:
        self.step, self.user_step, self.shrinkage = step, user_step, shrinkage

    def fit(self, data: Dataset) -> Self:
        """Choose the shared K, then the users' K and shrinkage, by the log loss of the VALID votes."""
        valid = ValidationVotes.of(data)
        train = None if valid is None else in_order(valid.history.table)
        if valid is None or train is None or not len(train):
            return self
        models, users, questions = len(data.table.models), len(data.table.users), valid.questions

        def shared_losses(step: float) -> np.ndarray:
            return valid.losses(at_candidates(shared_ratings(train, models, step), questions), self.logits)

        # 1. The shared K first: users begin from the shared ratings, which are then played only once.
        self.step = best_setting(STEPS, shared_losses)
        shared = shared_ratings(train, models, self.step)

        # 2. K and shrinkage of the users together: both say how far a few votes may carry a user.
        def own_losses(settings: tuple[float, float]) -> np.ndarray:
            rating = own_ratings(train, users, shared, *settings)
            return valid.losses(at_candidates(rating[questions.user], questions), self.logits)

        self.user_step, self.shrinkage = best_setting(product(USER_STEPS, SHRINKAGES), own_losses)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the user's ratings after the visible votes; an unknown user gets everybody's."""
        table, votes = history.table, in_order(history.table)
        shared = shared_ratings(votes, len(table.models), self.step)
        # One row more than there are users: row -1 is the unknown user's.
        own = own_ratings(votes, len(table.users) + 1, shared, self.user_step, self.shrinkage)
        return at_candidates(own[questions.user], questions)
