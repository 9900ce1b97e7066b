"""Let boosted trees also read what the visible answers look like and say."""

from __future__ import annotations

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.answer_features import KnownAnswers
from gmt.rivals.boosted_trees import BoostedTrees
from gmt.routing.query_keys import QueryKeys

DIGITS = 6
"""Features are rounded: trees must not split on how sums were rounded."""


class BoostedTreesAnswers(BoostedTrees):
    """Extend the boosted trees by the features of visible answers that gmt reads.

    A model's trees also read the length, form and text of the answer in question where the history holds it, else the
    model's mean. In training an answer is its own.

    Args:
        seed: Of the trees.
    """

    name = "boosted_trees_answers"

    def _of_rows(self, history: Dataset) -> np.ndarray:
        rated = ~np.isnan(history.table.rating)
        return np.round(KnownAnswers.of(history).of_rows(history)[rated], DIGITS)

    def _of_models(self, history: Dataset, questions: Questions) -> np.ndarray:
        # All models, for the trees score them all before candidates are read.
        every = np.tile(np.arange(len(history.table.models)), (len(questions), 1))
        return np.round(KnownAnswers.of(history).at(QueryKeys.of(questions), every), DIGITS)
