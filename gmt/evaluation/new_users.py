"""Hold what happens to new users whatever a router does, and what came of one way of proposing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gmt.data.dataset import Questions
from gmt.errors import DataError
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.evaluation.shares import Share
from gmt.evaluation.top_choice import with_all_models
from gmt.routing.pairwise import win_probability


@dataclass(frozen=True, eq=False)
class NewUsers:
    """Hold what happens to B new users whatever the router does, so that proposals are compared on equal luck.

    Args:
        questions: (Q) distinct queries of the history, with all M models as candidates.
        utilities: (B, Q, M) utility of each answer to each user, in logits.
        queries: (B, N) which question each user has in each round.
        held: (B, H) questions held out of the rounds.
        luck: (B, N) uniform numbers that decide the votes.
        left: (B, N) whether the first proposal is shown left.
        pair, won: (B, H, 2) two models of every held-out question, and (B, H) whether the user prefers the first.
    """

    questions: Questions
    utilities: np.ndarray
    queries: np.ndarray
    held: np.ndarray
    luck: np.ndarray
    left: np.ndarray
    pair: np.ndarray
    won: np.ndarray

    @classmethod
    def draw(
        cls, questions: Questions, utilities: np.ndarray, rounds: int, held: int, rng: np.random.Generator
    ) -> NewUsers:
        """Draw questions and luck, given (B, Q, M) utilities; a user never has the same question twice.

        Raises:
            DataError: There are fewer questions than rounds and held-out questions together.
        """
        users, count, models = utilities.shape
        if rounds + held > count:
            raise DataError(f"{rounds} rounds and {held} held-out questions need as many questions; there are {count}")
        # One order per user: rounds take its beginning and held-out questions what follows, so none is voted on and
        # tested.
        order = np.argsort(rng.random((users, count)), axis=1)
        out = order[:, rounds : rounds + held]
        pair = np.argsort(rng.random((users, held, models)), axis=2)[:, :, :2]
        utility = np.take_along_axis(utilities[np.arange(users)[:, None], out], pair, axis=2)
        # Held-out votes are cast once, so that differences between proposals are not differences in luck.
        won = rng.random((users, held)) < win_probability(utility[:, :, 0] - utility[:, :, 1])
        luck, left = rng.random((users, rounds)), rng.random((users, rounds)) < 0.5
        return cls(with_all_models(questions, models), utilities, order[:, :rounds], out, luck, left, pair, won)

    def questions_of(self, which: np.ndarray) -> Questions:
        """Return (B · n) questions, those of a user side by side, given (B, n) numbers of questions."""
        # Any codes will do, for the votes of these users replace those of the history.
        user = np.repeat(np.arange(len(which)), which.shape[1])
        return replace(self.questions.select(which.reshape(-1)), user=user)

    def truth(self, which: np.ndarray) -> np.ndarray:
        """Return (B · n, M) utilities of (B, n) questions."""
        found = self.utilities[np.arange(len(which))[:, None], which]
        return found.reshape(-1, self.utilities.shape[2])


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Hold what came of one way of proposing.

    Args:
        after: (P,) numbers of votes after which the held-out questions were scored.
        order: (P, B) share of all pairs of models on held-out questions put in their true order.
        regret: (P, B) mean regret of the model chosen for held-out questions, in logits.
        difference: (P, B, H) score of the preferred model less that of the other, one vote a held-out question.
        first: (N, B) regret of the answer proposed first in each round.
        shown: (N, B) mean regret of the two answers shown.
    """

    after: tuple[int, ...]
    order: np.ndarray
    regret: np.ndarray
    difference: np.ndarray
    first: np.ndarray
    shown: np.ndarray

    def shares(self, prefix: str = "") -> dict[str, Share]:
        """Return every measure as a mean over users; those named `…@n` are taken after n votes.

        `first` and `shown` are summed over the rounds up to there.
        """
        # A prefix such as the seed's, for user 3 of another seed is another user.
        users = np.array([f"{prefix}{number}" for number in range(self.order.shape[1])])
        out = {}
        for at, votes in enumerate(self.after):
            values = {
                "order": self.order[at],
                "regret": self.regret[at],
                # Summed up to here, for exploring costs early and pays late: only the sum says whether it paid.
                "first": self.first[:votes].sum(axis=0),
                "shown": self.shown[:votes].sum(axis=0),
            }
            out |= {f"{name}@{votes}": Share(users, value, np.ones(len(users))) for name, value in values.items()}
        return out

    def block(self, at: int, prefix: str = "") -> ScoreBlock:
        """Return the held-out votes after `after[at]` votes, for AUC and accuracy."""
        difference = self.difference[at]
        users = np.array([f"{prefix}{number}" for number in range(len(difference))])
        gap = difference.reshape(-1)
        # The preferred model stands first in every row; metrics read differences only, so this loses nothing.
        ratings = np.tile([1.0, 0.0], (len(gap), 1))
        return ScoreBlock(np.repeat(users, difference.shape[1]), np.stack([gap, np.zeros_like(gap)], axis=1), ratings)
