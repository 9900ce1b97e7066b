"""State what describes an answer by numbers, so that a user's weight of each can be learned from their votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmt.data.dataset import Dataset, Questions


class CandidateFeatures(Protocol):
    """Describe answers given and candidates yet to answer by the same F numbers.

    A user's weight of each number is learned from their votes like what they add to each model.
    """

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) features of every row of the visible table."""
        ...

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) features of the candidates; what stands under padding is not read."""
        ...


FeatureMaker = Callable[[Dataset], CandidateFeatures]
"""Builds features from the visible history."""


@dataclass(frozen=True, eq=False)
class JoinedFeatures:
    """Describe answers by several sets of features side by side."""

    parts: tuple[CandidateFeatures, ...]

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) features of all sets."""
        # The order of the parts is that of a user's weights: rows and candidates must keep the same.
        return np.concatenate([part.of_rows(history) for part in self.parts], axis=1)

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) features of all sets."""
        return np.concatenate([part.of_candidates(data, questions) for part in self.parts], axis=2)
