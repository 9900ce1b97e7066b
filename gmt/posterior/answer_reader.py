"""Describe texts of answers by numbers whose units and axes the visible history sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.style import AnswerStyle, styles_of

ANSWER_COMPONENTS = 16
"""Principal components of the answers' vectors that are kept."""


@dataclass(frozen=True, eq=False)
class AnswerReader:
    """Read what an answer looks like, and what it says: its nearness to the query and components of its vector.

    Args:
        style: The units of form.
        near: Mean and standard deviation of the cosine with the query; None where only form is read.
        centre: (D,) mean of the distinct answers' vectors.
        axes: (D, A) their principal axes.
        scale: The one unit of all components, in which together they have variance 1.
    """

    style: AnswerStyle
    near: tuple[float, float] | None = None
    centre: np.ndarray | None = None
    axes: np.ndarray | None = None
    scale: float = 1.0

    @classmethod
    def of(cls, history: Dataset, texts: bool = True) -> AnswerReader:
        """Learn units and axes from the visible answers.

        Args:
            history: The visible comparisons.
            texts: Also read what an answer says.
        """
        table, style = history.table, AnswerStyle.of(history)
        written = table.response >= 0
        if not texts or not written.any():
            width = history.vectors.shape[1]
            return cls(style, (0.0, 1.0), np.zeros(width), np.zeros((width, 0))) if texts else cls(style)
        # 1. How near an answer is to its query, a number of its own: no axis of the answers alone could show it.
        response = history.vectors[table.response[written]].astype(float)
        queries = history.vectors[table.query[table.row_comparison[written]]].astype(float)
        near = (response * queries).sum(axis=1)
        # 2. Axes are those of the distinct answers: a text shown a hundred times is one text.
        distinct = history.vectors[np.unique(table.response[written])].astype(float)
        centre = distinct.mean(axis=0)
        covariance = (distinct - centre).T @ (distinct - centre) / len(distinct)
        size, basis = np.linalg.eigh(covariance)
        # 3. `eigh` orders axes by size, ascending. One scale for all of them leaves the small ones small, and makes the
        # whole text weigh what one feature of form does.
        kept = min(ANSWER_COMPONENTS, len(size))
        scale = np.sqrt(max(size[-kept:].sum(), 1e-12))
        return cls(style, (float(near.mean()), max(float(near.std()), 1e-6)), centre, basis[:, -kept:], float(scale))

    @property
    def width(self) -> int:
        """F, how many numbers describe an answer."""
        # Narrow vectors have fewer axes; the columns left over stay 0.
        return len(self.style.centre) + (0 if self.near is None else 1 + ANSWER_COMPONENTS)

    def features(self, data: Dataset, query: np.ndarray, response: np.ndarray) -> np.ndarray:
        """Return (N, F) features of answers, NaN where there is no text.

        Args:
            data: Where the texts and their vectors are.
            query, response: (N,) codes of texts; -1 for no answer.
        """
        out = np.full((len(response), self.width), np.nan)
        written = response >= 0
        if not written.any():
            return out
        form = (styles_of(data, response[written]) - self.style.centre) / self.style.deviation
        out[written, : form.shape[1]] = form
        if self.near is not None and self.axes is not None:
            said = data.vectors[response[written]].astype(float)
            near = (said * data.vectors[query[written]].astype(float)).sum(axis=1)
            first = form.shape[1]
            out[written, first:] = 0.0
            out[written, first] = (near - self.near[0]) / self.near[1]
            out[written, first + 1 : first + 1 + self.axes.shape[1]] = (said - self.centre) @ self.axes / self.scale
        return out

    def of_shown(self, data: Dataset, questions: Questions) -> np.ndarray | None:
        """Return (C, K, F) features of the candidates' own texts, NaN where there is none; None where none is shown."""
        if questions.responses is None:
            return None
        count, width = questions.responses.shape
        query = np.repeat(questions.query, width)
        return self.features(data, query, questions.responses.reshape(-1)).reshape(count, width, self.width)
