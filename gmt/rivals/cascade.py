"""Rank models from cheap to dear, and take the first that is predicted to be good enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.rivals.model_means import model_costs
from gmt.rivals.ridge import Ridge
from gmt.rivals.rival import Rival
from gmt.routing.grid import ValidationVotes, best_setting

# Bars are quantiles of the predictions, for their scale differs from table to table.
QUANTILES = np.linspace(0.0, 1.0, 11)
ABOVE = 1000.0


class Cascade(Rival):
    """Choose the cheapest model whose predicted rating clears a bar, and the best predicted one where none does.

    Source: FrugalGPT (arXiv 2305.05176); simplified: quality is predicted by a ridge on the query instead of judged on
    the answer, so no answer is ever thrown away.

    Args:
        bar: Predicted ratings above it are good enough; `fit` replaces it by the best on VALID.
        judge: Predicts the ratings.
    """

    name, saved = "cascade", ("bar",)

    def __init__(self, bar: float = 0.0, judge: Ridge | None = None) -> None:
        self.bar, self.judge = bar, judge or Ridge()

    def fit(self, data: Dataset) -> Self:
        """Fit the judge, and choose the bar by the log loss of the VALID votes."""
        self.judge.fit(data)
        votes = ValidationVotes.of(data)
        if votes is not None:
            # Quantiles of the TRAIN predictions: VALID chooses among the bars and does not make them.
            every = self.judge.score(votes.history, data.questions(np.flatnonzero(data.table.split == TRAIN)))
            bars = np.quantile(every[np.isfinite(every)], QUANTILES).tolist()
            self.bar = best_setting(bars, lambda bar: votes.losses_of(Cascade(bar, self.judge)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates: good ones by cheapness, above all others, which stand by their predicted rating."""
        predicted = self.judge.score(history, questions)
        # Padding reads model 0 here, and is masked below.
        cost = model_costs(history)[np.maximum(questions.candidates, 0)]
        # Predicted ratings lie between -1 and 2 or so; among equally cheap models they decide.
        cheap = ABOVE + 1 / (1 + cost) + predicted / ABOVE**2
        return np.where(questions.mask, np.where(predicted >= self.bar, cheap, predicted), -np.inf)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the bar and what the judge found."""
        return super().state_dict() | self.judge.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        self.judge.load_state_dict(state)
        return super().load_state_dict(state)
