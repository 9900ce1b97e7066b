"""Offer rivals that spare money: a cascade from cheap to dear, and a choice between one small and one large model."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.rivals.model_means import model_means
from gmt.rivals.supervised import Ridge, best_of

QUANTILES = np.linspace(0.0, 1.0, 11)
ABOVE = 1000.0


def model_costs(history: Dataset) -> np.ndarray:
    """Return (M,) mean costs in the history, else output prices, 0 where neither is known."""
    table = history.table
    seen = ~np.isnan(table.cost)
    count = np.bincount(table.model[seen], minlength=len(table.models))
    mean = np.bincount(table.model[seen], table.cost[seen], len(table.models)) / np.maximum(count, 1)
    prices = np.array([history.models[name].output_price or 0.0 for name in table.models])
    return mean if count.all() else prices


class Cascade:
    """Choose the cheapest model whose foretold rating clears a bar, and the best foretold one where none does.

    Source: FrugalGPT (arXiv 2305.05176); simplified: quality is foretold by a ridge on the query instead of judged on
    the answer, so no answer is ever thrown away.

    Args:
        bar: Foretold ratings above it are good enough; `fit` chooses it on VALID.
    """

    name = "cascade"

    def __init__(self, bar: float = 0.0, judge: Ridge | None = None) -> None:
        self.bar, self.judge = bar, judge or Ridge()

    def fit(self, data: Dataset) -> Self:
        """Fit the judge, and choose the bar by what the choices on VALID earned."""
        self.judge.fit(data)
        history = data.select(data.table.split == TRAIN)
        every = self.judge.score(history, data.questions(np.flatnonzero(data.table.split == TRAIN)))
        foretold = every[np.isfinite(every)]
        if len(foretold):
            bars = np.quantile(foretold, QUANTILES).tolist()
            self.bar = best_of([Cascade(bar, self.judge) for bar in bars], data).bar
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates good enough by their cheapness, above all others, which stand by their foretold rating."""
        foretold = self.judge.score(history, questions)
        cost = model_costs(history)[np.maximum(questions.candidates, 0)]
        # Foretold ratings lie between -1 and 2 or so; among equally cheap models they decide.
        cheap = ABOVE + 1 / (1 + cost) + foretold / ABOVE**2
        return np.where(np.isfinite(foretold), np.where(foretold >= self.bar, cheap, foretold), -np.inf)


class QualityGap:
    """Ask the small model where it is foretold to be nearly as good as the large one, else the large one.

    Source: HybridLLM (arXiv 2404.14618); simplified: the large model is the best on average, the small one the best of
    the cheaper half, the gap is foretold by a ridge on frozen text vectors.

    Args:
        gap: The largest gap at which the small model serves; `fit` chooses it on VALID.
    """

    name = "quality_gap"

    def __init__(self, gap: float = 0.0, judge: Ridge | None = None) -> None:
        self.gap, self.judge = gap, judge or Ridge()

    def fit(self, data: Dataset) -> Self:
        """Fit the judge, and choose the gap by what the choices on VALID earned."""
        self.judge.fit(data)
        spread = float(np.nanstd(data.table.rating)) if np.isfinite(data.table.rating).any() else 0.0
        gaps = (spread * np.linspace(-1, 1, 9)).tolist()
        self.gap = best_of([QualityGap(gap, self.judge) for gap in gaps], data).gap
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score the chosen one of the two 2, the other 1, and all others below by their mean rating."""
        means, cost = model_means(history.table), model_costs(history)
        large = int(np.argmax(means))
        cheaper = np.flatnonzero(cost < cost[large])
        cheaper = cheaper[np.argsort(cost[cheaper], kind="stable")[: max(1, len(cheaper) // 2)]]
        scores = np.where(questions.candidates >= 0, means[questions.candidates] - 1, -np.inf)
        small = int(cheaper[np.argmax(means[cheaper])]) if len(cheaper) else large
        both = np.tile([small, large], (len(questions), 1))
        foretold = self.judge.score(history, replace(questions, candidates=both))
        first = np.where(foretold[:, 1] - foretold[:, 0] <= self.gap, small, large)
        for value, model in ((1.0, small), (1.0, large)):
            scores = np.where(questions.candidates == model, value, scores)
        return np.where(questions.candidates == first[:, None], 2.0, scores)
