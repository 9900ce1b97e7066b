"""Describe answers by their form, which a user may prefer or avoid whichever model wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.stored_texts import StoredTexts
from gmt.data.text_keys import form_of

NEAR_EMPTY = 20
"""Characters below which an answer says next to nothing, such as a refusal in one word."""
STYLE = ("length", "lines", "code", "list", "empty")
"""The F features of form, in the order of `style_of`."""


def read_style(text: str) -> tuple[float, ...]:
    """Return log length, log lines, and whether there is code, a list, or next to nothing."""
    form = form_of(text)
    return (
        # Logs, for lengths differ by factors: fifty characters more are much for one line and nothing for an essay.
        float(np.log1p(form.bare)),
        float(np.log1p(form.breaks)),
        float(form.has_code),
        float(form.has_list),
        float(form.bare < NEAR_EMPTY),
    )


@lru_cache(maxsize=100_000)
def style_of(text: str) -> tuple[float, ...]:
    """Return `read_style` of a text, which may have been read before."""
    return read_style(text)


@dataclass(frozen=True, eq=False)
class AnswerStyle:
    """Describe answers by their form, in units of its deviation; a candidate by its model's mean.

    Args:
        centre, deviation: (F,) mean and standard deviation over the visible answers.
        means: (M, F) each model's mean in these units, 0 where none of its answers is visible.
    """

    centre: np.ndarray
    deviation: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, history: Dataset, read: np.ndarray | None = None) -> AnswerStyle:
        """Learn the units and the models' means from the visible answers.

        Args:
            history: The visible comparisons.
            read: (R, F) raw features of every row where `styles_of` has read them already.
        """
        table = history.table
        written = table.response >= 0  # a row without text says nothing of its model's style
        found, model = (_styles(history) if read is None else read)[written], table.model[written]
        centre = found.mean(axis=0) if len(found) else np.zeros(len(STYLE))
        # A feature that all answers share stays 0 and is not blown up by the division.
        deviation = np.maximum(found.std(axis=0), 1e-3) if len(found) else np.ones(len(STYLE))
        count = np.bincount(model, minlength=len(table.models))[:, None]
        units = (found - centre) / deviation
        sums = np.stack([np.bincount(model, column, len(table.models)) for column in units.T], axis=1)
        return cls(centre, deviation, sums / np.maximum(count, 1))

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) features of every row, its model's mean where it has no text."""
        table = history.table
        units = (_styles(history) - self.centre) / self.deviation
        return np.where((table.response >= 0)[:, None], units, self.means[table.model])

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) means of the candidates' models, whose answers are not yet written; of shown ones theirs."""
        means = self.means[questions.candidates]
        if questions.responses is None:
            return means
        said = styles_of(data, questions.responses.reshape(-1)).reshape(means.shape)
        return np.where((questions.responses >= 0)[:, :, None], (said - self.centre) / self.deviation, means)


def _styles(history: Dataset) -> np.ndarray:
    """Return (R, F) raw features of every row; zeros where there is no text, which every caller masks."""
    return styles_of(history, history.table.response)


def styles_of(data: Dataset, codes: np.ndarray) -> np.ndarray:
    """Return (N, F) raw features of (N,) texts, read once for every distinct one; zeros for -1."""
    texts = data.table.texts
    code, of = np.unique(codes, return_inverse=True)
    read, written = np.zeros((len(code), len(STYLE))), code >= 0
    if isinstance(texts, StoredTexts):
        # What was read is kept with the texts on disk; `style_of` would keep the texts themselves.
        read[written] = texts.measured(read_style, code[written])
    elif written.any():
        read[written] = [style_of(texts[text]) for text in code[written]]
    return read[of.reshape(-1)]
