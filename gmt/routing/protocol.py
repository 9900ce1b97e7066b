"""State what every router offers: learn from visible comparisons, score the candidates of a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from gmt.data.dataset import Dataset, Questions


@runtime_checkable
class RoutingMethod(Protocol):
    """Score the models on offer for a person and a question.

    The graph router and every rival stand behind this one protocol; none gets a path that
    another lacks.
    """

    name: str

    def fit(self, data: Dataset) -> Self:
        """Learn from the TRAIN comparisons of `data`; VALID ones serve to choose settings.

        `data` never holds a TEST comparison.
        """
        ...

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score every candidate of every question.

        Args:
            history: The comparisons that are visible, ratings included. Its vocabularies begin with
                those of the fitted data; users and models beyond them are new.
            questions: What is asked, coded in the vocabularies of `history`.

        Returns:
            (C, K) finite scores, higher is preferred; -inf under padding.
        """
        ...


@dataclass(frozen=True, eq=False)
class Explained:
    """Hold one question's scores, taken apart.

    Args:
        shared: (K,) what a person without votes would get.
        votes: (T, K) what each past vote adds; `shared` plus their sum is the score.
        comparison: (T,) positions of these votes in the history's table.
    """

    shared: np.ndarray
    votes: np.ndarray
    comparison: np.ndarray
