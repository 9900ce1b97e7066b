"""Describe texts of answers by numbers whose units and axes the visible history sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.style import AnswerStyle, styles_of
from gmt.routing.row_parts import row_parts

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
    def of(cls, history: Dataset, texts: bool = True, forms: np.ndarray | None = None) -> AnswerReader:
        """Learn units and axes from the visible answers.

        Args:
            history: The visible comparisons.
            texts: Also read what an answer says.
            forms: (R, S) what `styles_of` read of every row, where it was read already.
        """
        table, style = history.table, AnswerStyle.of(history, forms)
        written = table.response >= 0
        if not texts or not written.any():
            width = history.vectors.shape[1]
            return cls(style, (0.0, 1.0), np.zeros(width), np.zeros((width, 0))) if texts else cls(style)
        # 1. How near an answer is to its query, a number of its own: no axis of the answers alone could show it.
        near = _nearness(history, table.query[table.row_comparison[written]], table.response[written])
        # 2. Axes are those of the distinct answers: a text shown a hundred times is one text.
        codes = np.unique(table.response[written])
        cuts = row_parts(len(codes), history.vectors.shape[1])
        centre = np.asarray(sum(history.vectors[codes[cut]].astype(float).sum(axis=0) for cut in cuts)) / len(codes)
        covariance = sum(_square(history.vectors[codes[cut]].astype(float), centre) for cut in cuts) / len(codes)
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

    def features(
        self, data: Dataset, query: np.ndarray, response: np.ndarray, forms: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (N, F) features of answers, NaN where there is no text.

        Args:
            data: Where the texts and their vectors are.
            query, response: (N,) codes of texts; -1 for no answer.
            forms: (N, S) what `styles_of` read of the answers, where it was read already.
        """
        out = np.full((len(response), self.width), np.nan)
        written = response >= 0
        if not written.any():
            return out
        read = styles_of(data, response[written]) if forms is None else forms[written]
        form = (read - self.style.centre) / self.style.deviation
        out[written, : form.shape[1]] = form
        if self.near is not None and self.axes is not None:
            near, first = _nearness(data, query[written], response[written]), form.shape[1]
            out[written, first:] = 0.0
            out[written, first] = (near - self.near[0]) / self.near[1]
            places = np.flatnonzero(written)
            for cut in row_parts(len(places), data.vectors.shape[1]):
                said = data.vectors[response[places[cut]]].astype(float)
                columns = slice(first + 1, first + 1 + self.axes.shape[1])
                out[places[cut], columns] = (said - self.centre) @ self.axes / self.scale
        return out

    def of_shown(self, data: Dataset, questions: Questions) -> np.ndarray | None:
        """Return (C, K, F) features of the candidates' own texts, NaN where there is none; None where none is shown."""
        if questions.responses is None:
            return None
        count, width = questions.responses.shape
        query = np.repeat(questions.query, width)
        return self.features(data, query, questions.responses.reshape(-1)).reshape(count, width, self.width)


def _nearness(data: Dataset, query: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return (N,) products of the vectors of queries and answers, given (N,) codes of both."""
    near = np.zeros(len(response))
    for cut in row_parts(len(response), data.vectors.shape[1]):
        said, asked = (data.vectors[codes[cut]].astype(float) for codes in (response, query))
        near[cut] = (said * asked).sum(axis=1)
    return near


def _square(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (D, D) the sum of the products of (N, D) vectors around a centre."""
    return (vectors - centre).T @ (vectors - centre)
