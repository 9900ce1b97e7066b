"""Score by chance, and all alike: what every router must beat."""

from __future__ import annotations

from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.rival import Rival

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""The step of SplitMix64: 2**64 over the golden ratio."""


class Random(Rival):
    """Score by chance, fixed by the seed, the comparison's id and the model.

    Args:
        seed: Chooses the chance.
    """

    name, saved = "random", ("seed",)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, data: Dataset) -> Self:
        """Learn nothing."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates uniformly in [0, 1), whatever else is scored beside it."""
        with np.errstate(over="ignore"):  # the arithmetic is modulo 2**64
            state = _mix(questions.comparison.astype(np.uint64) + GOLDEN * np.uint64(self.seed + 1))[:, None]
            # Padding is -1: with 2 added no code is 0, which would add no step.
            state = _mix(state + GOLDEN * (questions.candidates + 2).astype(np.uint64))
        # The upper 53 bits, as many as the mantissa of a double holds exactly.
        chance = (state >> np.uint64(11)).astype(float) / 2**53
        return np.where(questions.mask, chance, -np.inf)


class Constant(Rival):
    """Score all candidates alike, whoever asks what."""

    name = "constant"

    def fit(self, data: Dataset) -> Self:
        """Learn nothing."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates 0."""
        return np.where(questions.mask, 0.0, -np.inf)


def _mix(values: np.ndarray) -> np.ndarray:
    """Scramble uint64 numbers so that neighbours look unrelated.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
