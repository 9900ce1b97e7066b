"""Describe the very answers that stand in the visible history, so that a vote on one informs about it and its like."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.answer_reader import ANSWER_COMPONENTS, AnswerReader
from gmt.posterior.stored_fields import NOT_STORED
from gmt.posterior.style import styles_of
from gmt.routing.conversation_reading import ReadQueries
from gmt.routing.kernels import model_kernels
from gmt.routing.query_keys import QueryKeys

__all__ = ["ANSWER_COMPONENTS", "KnownAnswers"]
ANSWER_NOISE = 3.0
"""Variance of one answer around its model's mean, in units of the variance between models."""


@dataclass(frozen=True, eq=False)
class KnownAnswers:
    """Describe an answer by its own features where the visible history holds it, else by its model's mean.

    The same answer (query, model) may have been shown to some user before; its text is then part
    of what is visible. Where a model answered a query in several ways, their mean is known. The
    answer to a target is never read from the target, but for questions that show their answers (`Questions.responses`):
    there the text itself is described, whoever wrote it.

    Args:
        reader: Describes texts.
        rows: (R, F) features of every row of the history, NaN where it has no text.
        means: (M, F) each model's mean, drawn to those of like models where few of its answers are visible.
        keys: G distinct queries of the history.
        known: (N,) sorted codes, query · M + model, of the answers that are visible.
        features: (N, F) their features.
    """

    reader: AnswerReader
    rows: np.ndarray = field(metadata=NOT_STORED)
    means: np.ndarray
    keys: QueryKeys
    known: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, history: Dataset, texts: bool = True) -> KnownAnswers:
        """Read the visible answers.

        Args:
            history: The visible comparisons.
            texts: Also describe what an answer says: its nearness to the query and the principal
                components of its vector.
        """
        table = history.table
        # Texts are read once: to read a million takes longer than all that is then learned from their form.
        forms = styles_of(history, table.response)
        reader = AnswerReader.of(history, texts, forms)
        rows = reader.features(history, table.query[table.row_comparison], table.response, forms)
        keys, query = QueryKeys.of(table).distinct()
        written, models = table.response >= 0, len(table.models)
        # One number stands for a query and a model, so that one sorted search finds an answer.
        answer = (query[table.row_comparison] * models + table.model)[written]
        known, of = np.unique(answer, return_inverse=True)
        means = _shrunk_means(history.model_vectors, table.model[written], rows[written])
        return cls(reader, rows, means, keys, known, _group_means(of.reshape(-1), rows[written], len(known)))

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) features of every row, its model's mean where it has no text."""
        return np.where(np.isnan(self.rows), self.means[history.table.model], self.rows)

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) features of the candidates."""
        known, shown = self.at(QueryKeys.of(questions), questions.candidates), self.reader.of_shown(data, questions)
        return known if shown is None else np.where(np.isnan(shown), known, shown)

    def of_queries(self, queries: ReadQueries, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, F) features of the answers of (C, K) models to C queries of the history."""
        return self.at(queries.keys, candidates)

    def at(self, keys: QueryKeys, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, F) features of the answers of (C, K) models to C queries."""
        # Answers are known by the question's own text, however it was read for the kernel.
        query = np.array([self._index.get(key, -1) for key in keys.without_context().tuples()], np.int64)
        wanted = query[:, None] * len(self.means) + candidates
        place = np.minimum(np.searchsorted(self.known, wanted), max(len(self.known) - 1, 0))
        # Padding, -1, would otherwise read as the last model of the query before.
        visible = (query >= 0)[:, None] & (candidates >= 0)
        if not len(self.known):
            return self.means[candidates]
        # `searchsorted` gives a place to every code; only where the code stands there is the answer visible.
        visible &= self.known[place] == wanted
        return np.where(visible[:, :, None], self.features[place], self.means[candidates])

    @cached_property
    def _index(self) -> dict[tuple[int, ...], int]:
        return self.keys.codes()


def _group_means(group: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Return the (count, F) means of (N, F) values by their group, 0 where it is empty."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, group, values)
    return sums / np.maximum(np.bincount(group, minlength=count), 1)[:, None]


def _shrunk_means(vectors: np.ndarray, model: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (M, F) posterior means of the models' features under a normal prior over their texts.

    A model of many answers keeps their mean; that of one without any is predicted from models whose texts are near:
    K (K + σ² N⁻¹)⁻¹ x̄, N the counts of answers.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 2.2.

    Args:
        vectors: (M, W) text vectors of the models.
        model: (N,) who wrote each answer.
        values: (N, F) its features.
    """
    count = np.bincount(model, minlength=len(vectors))
    known = np.flatnonzero(count)
    if not len(known):
        return np.zeros((len(vectors), values.shape[1]))
    kernel = model_kernels(vectors, vectors[known].mean(axis=0))[0]
    # The mean of N answers varies N times less than one answer.
    noise = np.diag(ANSWER_NOISE / count[known])
    solved = np.linalg.solve(kernel[np.ix_(known, known)] + noise, _group_means(model, values, len(vectors))[known])
    # Features have mean 0 over the answers, so a model that is like no other is predicted to write like the average.
    return kernel[:, known] @ solved
