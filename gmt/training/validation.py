"""Decide on the VALID votes whether a part that was learned earns its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.evaluation.metrics import Pairs, pairs_of
from gmt.routing.pairwise import fit_temperature
from gmt.routing.protocol import RoutingMethod


@dataclass(frozen=True, eq=False)
class Validation:
    """Hold the VALID questions, with the TRAIN comparisons as history, and who won.

    Args:
        history: The TRAIN comparisons.
        questions: The rated VALID ones.
        pairs: Their pairs with different ratings.
    """

    history: Dataset
    questions: Questions
    pairs: Pairs

    @classmethod
    def of(cls, data: Dataset) -> Self | None:
        """Read them from a data set; None where no VALID pair has different ratings."""
        table = data.table
        valid = np.flatnonzero((table.split == VALID) & table.rated)
        pairs = pairs_of(table.ratings[valid])
        if not len(pairs.winner):
            return None
        return cls(data.select(table.split == TRAIN), data.questions(valid), pairs)

    def differences(self, router: RoutingMethod) -> np.ndarray:
        """Return the score of every winner less that of its loser."""
        return self.pairs.differences(router.score(self.history, self.questions))

    def losses(self, router: RoutingMethod) -> np.ndarray:
        """Return the log loss of every pair."""
        return pair_losses(self.differences(router))


def pair_losses(differences: np.ndarray) -> np.ndarray:
    """Return the log loss of every pair at the temperature that suits them best."""
    return np.logaddexp(0, -differences / (fit_temperature(differences) or 1.0))


def paired_gain(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Return how much smaller the losses became on average, and two standard errors of that."""
    gain = before - after
    return float(gain.mean()), float(2 * gain.std() / np.sqrt(len(gain)))
