"""Choose between one small and one large model by how much better the large one is predicted to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.model_means import model_costs, model_means
from gmt.rivals.ridge import Ridge
from gmt.rivals.rival import Rival, at_candidates
from gmt.routing.grid import ValidationVotes, best_setting

GAPS = np.linspace(-1, 1, 9)
"""Gaps that are tried, in standard deviations of the ratings."""


class QualityGap(Rival):
    """Choose the small model where it is predicted to be nearly as good as the large one, else the large one.

    Source: HybridLLM (arXiv 2404.14618); simplified: the large model is the best on average, the small one the best of
    the cheaper half, the gap is predicted by a ridge on frozen text vectors.

    Args:
        gap: The largest gap at which the small model serves; `fit` replaces it by the best on VALID.
        judge: Predicts the ratings.
    """

    name, saved = "quality_gap", ("gap",)

    def __init__(self, gap: float = 0.0, judge: Ridge | None = None) -> None:
        self.gap, self.judge = gap, judge or Ridge()

    def fit(self, data: Dataset) -> Self:
        """Fit the judge, and choose the gap by the log loss of the VALID votes."""
        self.judge.fit(data)
        votes = ValidationVotes.of(data)
        if votes is not None:
            # On the scale of the ratings, for one gap means more where users rate close together.
            gaps = (float(np.nanstd(data.table.rating)) * GAPS).tolist()
            self.gap = best_setting(gaps, lambda gap: votes.losses_of(QualityGap(gap, self.judge)))
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates: the chosen one of the two 2, the other 1, all others below by their mean rating."""
        means, cost = model_means(history.table), model_costs(history)
        # 1. The large model is the best on average, the small one the best of the cheaper half of the cheaper ones.
        large = int(np.argmax(means))
        cheaper = np.flatnonzero(cost < cost[large])
        cheaper = cheaper[np.argsort(cost[cheaper], kind="stable")[: max(1, len(cheaper) // 2)]]
        small = int(cheaper[np.argmax(means[cheaper])]) if len(cheaper) else large
        # 2. Both are predicted for every question, whether they are on offer or not.
        both = np.tile([small, large], (len(questions), 1))
        predicted = self.judge.score(history, replace(questions, candidates=both, responses=None))
        first = np.where(predicted[:, 1] - predicted[:, 0] <= self.gap, small, large)
        # 3. Mean ratings are at most 1, so that all others stand below the two.
        scores = at_candidates(means - 1, questions)
        scores = np.where(np.isin(questions.candidates, (small, large)), 1.0, scores)
        return np.where(questions.candidates == first[:, None], 2.0, scores)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the gap and what the judge found."""
        return super().state_dict() | self.judge.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        self.judge.load_state_dict(state)
        return super().load_state_dict(state)
