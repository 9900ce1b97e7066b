"""Describe candidates by features a person may like or dislike whichever model wrote them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from gmt.data.dataset import Dataset, Questions

LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
NEAR_EMPTY = 20  # characters
STYLE = ("length", "lines", "code", "list", "empty")


class CandidateFeatures(Protocol):
    """Describe answers given and candidates yet to answer by the same F numbers.

    A person's liking of each number is learned from their votes like their liking of each model.
    """

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) features of every row of the visible table."""
        ...

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) features of the candidates; what stands under padding is not read."""
        ...


FeatureMaker = Callable[[Dataset], CandidateFeatures]
"""Builds features from the visible history."""


@lru_cache(maxsize=100_000)
def style_of(text: str) -> tuple[float, ...]:
    """Return log length, log lines, and whether there is code, a list, or next to nothing."""
    bare = text.strip()
    return (
        float(np.log1p(len(bare))),
        float(np.log1p(bare.count("\n"))),
        float("```" in bare),
        float(LIST_ITEM.search(bare) is not None),
        float(len(bare) < NEAR_EMPTY),
    )


@dataclass(frozen=True, eq=False)
class AnswerStyle:
    """Describe answers by their form, in units of its spread; a candidate by its model's mean.

    Args:
        centre, spread: (F,) mean and standard deviation over the visible answers.
        means: (M, F) each model's mean in these units, 0 where none of its answers is visible.
    """

    centre: np.ndarray
    spread: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, history: Dataset) -> AnswerStyle:
        """Learn the units and the models' means from the visible answers."""
        table = history.table
        written = table.response >= 0
        found, model = _styles(history)[written], table.model[written]
        centre = found.mean(axis=0) if len(found) else np.zeros(len(STYLE))
        spread = np.maximum(found.std(axis=0), 1e-3) if len(found) else np.ones(len(STYLE))
        count = np.bincount(model, minlength=len(table.models))[:, None]
        units = (found - centre) / spread
        sums = np.stack([np.bincount(model, column, len(table.models)) for column in units.T], axis=1)
        return cls(centre, spread, sums / np.maximum(count, 1))

    def of_rows(self, history: Dataset) -> np.ndarray:
        table = history.table
        units = (_styles(history) - self.centre) / self.spread
        return np.where((table.response >= 0)[:, None], units, self.means[table.model])

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        return self.means[questions.candidates]


@dataclass(frozen=True, eq=False)
class JoinedFeatures:
    """Describe answers by several sets of features side by side."""

    parts: tuple[CandidateFeatures, ...]

    def of_rows(self, history: Dataset) -> np.ndarray:
        return np.concatenate([part.of_rows(history) for part in self.parts], axis=1)

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        return np.concatenate([part.of_candidates(data, questions) for part in self.parts], axis=2)


def _styles(history: Dataset) -> np.ndarray:
    """Return (R, F) raw features, read once for every distinct answer."""
    table = history.table
    code, of = np.unique(table.response, return_inverse=True)
    read = [style_of(table.texts[text]) if text >= 0 else (0.0,) * len(STYLE) for text in code]
    return np.array(read, dtype=float).reshape(-1, len(STYLE))[of.reshape(-1)]


def style_features(history: Dataset) -> np.ndarray:
    """Return (R, F) features of style of every row, in units of their spread; NaN where there is no text."""
    style, written = AnswerStyle.of(history), history.table.response >= 0
    return np.where(written[:, None], (_styles(history) - style.centre) / style.spread, np.nan)
