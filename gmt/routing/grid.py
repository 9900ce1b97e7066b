"""Choose settings on the VALID votes: one search with one criterion for every router."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.routing.lone_pairs import LonePairs
from gmt.routing.pairwise import Votes, fit_temperature, log_losses, votes_of

DIGITS = 9
"""Mean losses are compared to so many digits: rounding noise must not choose among equals."""

Choice = TypeVar("Choice")


class Scorer(Protocol):
    """Score questions, and state whether score differences are the router's own log odds of a win."""

    logits: bool

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) scores, -inf under padding."""
        ...


@dataclass(frozen=True, eq=False)
class ValidationVotes:
    """Hold the rated VALID questions, the TRAIN comparisons as their history, and every vote on them.

    The criterion of every search is the mean log loss of these votes, a tie counting as half a win, and of pairs of
    answers that one user rated alone (`LonePairs`),
    under the router's own win probability: sigmoid(difference) where score differences are log odds by
    construction (`logits`), else sigmoid(difference / temperature) at the temperature that suits the
    votes best. A free temperature would forgive a prior variance that makes log odds too confident.

    Args:
        history: The TRAIN comparisons.
        questions: C rated VALID questions.
        votes: V votes on them; `votes.comparison` counts the questions.
        slot_a, slot_b: (V,) where the two answers of a vote stand among its question's candidates.
        lone: L pairs of lone ratings.
    """

    history: Dataset
    questions: Questions
    votes: Votes
    slot_a: np.ndarray
    slot_b: np.ndarray
    lone: LonePairs

    def __len__(self) -> int:
        return len(self.votes) + len(self.lone)

    @property
    def user(self) -> np.ndarray:
        """(V + L,) codes of the users who gave the pairs, those of the votes first."""
        return np.concatenate([self.questions.user[self.votes.comparison], self.questions.user[self.lone.a]])

    @property
    def y(self) -> np.ndarray:
        """(V + L,) outcomes, those of the votes first."""
        return np.concatenate([self.votes.y, self.lone.y])

    @classmethod
    def of(cls, data: Dataset) -> Self | None:
        """Read them from a data set; None where there is nothing to learn from or to choose by.

        That is where TRAIN holds no rating, or VALID no vote but ties and no two lone ratings of a user that differ:
        ties alone would choose whatever says least.
        """
        table = data.table
        valid = np.flatnonzero((table.split == VALID) & table.rated)
        targets, history = table.select(valid), data.select(table.split == TRAIN)
        votes, lone = votes_of(targets), LonePairs.of(targets)
        if not ((votes.y != 0.5).any() or len(lone)) or not history.table.rated.any():
            return None
        # Rows of a comparison lie side by side, so a row less the first is its slot.
        first = targets.start[votes.comparison]
        return cls(history, data.questions(valid), votes, votes.row_a - first, votes.row_b - first, lone)

    @classmethod
    def on(cls, data: Dataset, positions: np.ndarray, rows: np.ndarray, values: np.ndarray) -> Self | None:
        """Read pairs of answers that one user judged alone, whatever by; None where no two of a user differ.

        Args:
            data: TRAIN and VALID.
            positions: (C,) the comparisons.
            rows: (N,) rows of these comparisons' own table.
            values: (N,) how each answer was judged.
        """
        targets = data.table.select(positions)
        lone = LonePairs.of(targets, rows, values)
        if not len(lone):
            return None
        votes = votes_of(targets)
        votes, none = votes.select(np.zeros(len(votes), bool)), np.zeros(0, np.int64)
        return cls(data.select(data.table.split == TRAIN), data.questions(positions), votes, none, none, lone)

    def untied(self) -> ValidationVotes:
        """Return the votes that are no ties, on the same questions."""
        won = self.votes.y != 0.5
        return replace(self, votes=self.votes.select(won), slot_a=self.slot_a[won], slot_b=self.slot_b[won])

    def revealed(self, data: Dataset) -> ValidationVotes:
        """Return the same votes on questions that also show the ratings of earlier rounds of their conversations."""
        places = {number: at for at, number in enumerate(data.table.comparison.tolist())}
        at = np.array([places[number] for number in self.questions.comparison.tolist()], np.int64)
        return replace(self, questions=data.questions(at, reveal_earlier=True))

    def differences(self, scores: np.ndarray) -> np.ndarray:
        """Return (V + L,) the score of each pair's first answer less its second's, given (C, K) scores."""
        at = self.votes.comparison
        votes = scores[at, self.slot_a] - scores[at, self.slot_b]
        return np.concatenate([votes, self.lone.differences(scores)])

    def losses(self, scores: np.ndarray, logits: bool) -> np.ndarray:
        """Return the (V + L,) log losses of the pairs under the win probabilities of (C, K) scores.

        Args:
            scores: (C, K) scores of the questions.
            logits: Whether score differences are log odds; else a temperature is fitted to the votes.
        """
        differences = self.differences(scores)
        # Scores that are all equal have no temperature; any gives them the loss of a coin.
        temperature = 1.0 if logits else fit_temperature(differences, self.y) or 1.0
        return log_losses(differences / temperature, self.y)

    def losses_of(self, router: Scorer) -> np.ndarray:
        """Return the (V + L,) log losses of a router that is shown the TRAIN comparisons."""
        return self.losses(router.score(self.history, self.questions), router.logits)


def best_setting(choices: Iterable[Choice], losses: Callable[[Choice], np.ndarray]) -> Choice:
    """Return the choice with the smallest mean loss, the first of equals.

    Args:
        choices: At least one.
        losses: Gives the (V,) losses of a choice.
    """
    # `min` keeps the first of equals: what stands first in a list of choices is what stays where VALID cannot tell.
    return min(choices, key=lambda choice: round(float(losses(choice).mean()), DIGITS))


def paired_gain(before: np.ndarray, after: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    """Return how much smaller (V,) losses of the same votes became on average, and two standard errors of that.

    Args:
        before, after: (V,) losses.
        groups: (V,) codes of votes whose noise is shared, such as pairs of the same answers of a user; by default each
            vote stands for itself. The standard error is then that of clustered observations (Liang and Zeger 1986).
    """
    # Vote by vote, for both routers find the same votes hard, and that part of the noise cancels.
    gain = before - after
    if groups is not None:
        code = np.unique(groups, return_inverse=True)[1].reshape(-1)
        summed = np.bincount(code, gain - gain.mean())
        return float(gain.mean()), float(2 * np.sqrt((summed**2).sum()) / len(gain))
    return float(gain.mean()), float(2 * gain.std() / np.sqrt(len(gain)))
