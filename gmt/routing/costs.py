"""Predict what an answer will cost from prices and the length of the query, or from what answers cost before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset, ModelInfo, Questions
from gmt.data.text_keys import form_of

RIDGE = 1e-6
"""Share of the features' own size added to the normal equations, for prices of few models are often collinear."""
COST_UNITS = 3.0
"""What a standard deviation of log cost counts beside one of a feature of style, for cost divides users more."""


@dataclass(frozen=True, eq=False)
class CostModel:
    """Hold what decides the cost of an answer, in the unit of the table's `cost` column.

    Within a task the cost is linear in a constant, both prices and query length x input price, which
    is exact where answers are billed by the token. Where a price is not known, the mean cost of the
    model in the task stands in, then its mean in all tasks, then everybody's.

    Args:
        line: (T + 1, 4) coefficients of each task, the last for queries of no known task; NaN where prices
            are missing in the history.
        means: (T + 1, M) mean costs, NaN where nothing was observed.
        overall: Mean of all costs.
        scale: The largest cost seen; dividing by it gives shares between 0 and 1.
    """

    line: np.ndarray
    means: np.ndarray
    overall: float
    scale: float

    @classmethod
    def of(cls, history: Dataset) -> CostModel | None:
        """Learn from the visible costs; None where there is none."""
        table = history.table
        seen = np.flatnonzero(~np.isnan(table.cost))
        if not len(seen):
            return None
        tasks, models = len(table.tasks), len(table.models)
        at = table.row_comparison[seen]
        # 1. Row `tasks` is for queries of no known task; it learns from all, as it answers for any.
        task, model, cost = np.where(table.task[at] < 0, tasks, table.task[at]), table.model[seen], table.cost[seen]
        features = _features(history, table.query[at], model[:, None])[:, 0]
        # 2. A model without prices has costs all the same: they go into the means.
        priced = ~np.isnan(features).any(axis=1)
        line = np.full((tasks + 1, 4), np.nan)
        for number in range(tasks + 1):
            rows = priced & ((task == number) | (number == tasks))
            # Prices of one model alone do not tell a price apart from the constant.
            if len(np.unique(model[rows])) > 1 or (rows.any() and models == 1):
                line[number] = _least_squares(features[rows], cost[rows])
        # 3. Means stand in where there is no price; one code for task and model counts them in one pass.
        task_model = task * models + model
        count = np.bincount(task_model, minlength=(tasks + 1) * models).reshape(-1, models).astype(float)
        total = np.bincount(task_model, cost, (tasks + 1) * models).reshape(-1, models)
        # The last row answers for all tasks.
        count[-1], total[-1] = count.sum(axis=0), total.sum(axis=0)
        means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return cls(line, means, float(cost.mean()), float(max(cost.max(), 1e-12)))

    def of_answers(self, data: Dataset, query: np.ndarray, task: np.ndarray, models: np.ndarray) -> np.ndarray:
        """Return (C, K) expected costs of (C, K) models on (C,) queries of (C,) tasks; 0 for model -1."""
        last = len(self.line) - 1
        task = np.where((task < 0) | (task >= last), last, task)
        # Models that joined since have no mean; only prices or the mean of everybody can speak for them.
        known, column = models < self.means.shape[1], np.minimum(np.maximum(models, 0), self.means.shape[1] - 1)
        out = (_features(data, query, models) * self.line[task][:, None, :]).sum(axis=2)
        # From the narrowest to the widest: the model in the task, the model in all tasks, then everybody.
        for row in (task[:, None], np.full((len(task), 1), last)):
            out = np.where(np.isnan(out) & known, self.means[row, column], out)
        return np.where(models >= 0, np.where(np.isnan(out), self.overall, out), 0.0)


@dataclass(frozen=True, eq=False)
class CostFeatures:
    """Describe answers by the log of their cost, in units of its deviation; a candidate by what its answer should cost.

    Args:
        model: What predicts a cost; None where the visible history states none, and nothing is described then.
        least: The smallest cost above zero; free answers count as a tenth of it.
        centre, deviation: Mean and standard deviation of the log costs.
    """

    model: CostModel | None
    least: float = 1.0
    centre: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, history: Dataset) -> CostFeatures:
        """Learn the units from the visible costs."""
        model, cost = CostModel.of(history), history.table.cost
        paid = cost[cost > 0]
        if model is None or not len(paid):
            return cls(None)
        bare = cls(model, float(paid.min()))
        # Logs, for prices of models differ by orders of magnitude.
        logs = bare._log(cost[~np.isnan(cost)])
        return cls(model, bare.least, float(logs.mean()), max(float(logs.std()), 1e-6))

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, 1) log costs, predicted where a row states none; (R, 0) without a model."""
        table, at = history.table, history.table.row_comparison
        if self.model is None:
            return np.zeros((len(table.model), 0))
        predicted = self.model.of_answers(history, table.query[at], table.task[at], table.model[:, None])[:, 0]
        return self._units(np.where(np.isnan(table.cost), predicted, table.cost))[:, None]

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, 1) log costs that the candidates' answers should have; (C, K, 0) without a model."""
        if self.model is None:
            return np.zeros((*questions.candidates.shape, 0))
        predicted = self.model.of_answers(data, questions.query, questions.task, questions.candidates)
        return self._units(predicted)[:, :, None]

    def _log(self, cost: np.ndarray) -> np.ndarray:
        # Free answers have no log; a tenth of the least paid is cheaper than all and still finite.
        return np.log(np.maximum(cost, self.least / 10))

    def _units(self, cost: np.ndarray) -> np.ndarray:
        # All weights of form have one variance, so what counts more must be the larger number.
        return COST_UNITS * (self._log(cost) - self.centre) / self.deviation


def price_shares(models: Mapping[str, ModelInfo], names: list[str]) -> np.ndarray | None:
    """Return (M,) output prices as shares of the dearest one's; None where a price is not known."""
    prices = [models[name].output_price for name in names]
    if any(price is None for price in prices):
        return None
    values = np.array(prices, dtype=float)
    return values / max(values.max(), 1e-12)


def _features(data: Dataset, query: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Return (C, K, 4): 1, input price, output price, characters x input price; NaN without prices."""
    cards = [data.models[name] for name in data.table.models]
    prices = np.array([[np.nan if p is None else p for p in (card.input_price, card.output_price)] for card in cards])
    # Texts are measured once each, however many answers they had.
    used, of = np.unique(query, return_inverse=True)
    length = np.array([form_of(data.table.texts[code]).characters for code in used], dtype=float)[of.reshape(-1)]
    input_price, output_price = np.moveaxis(prices.reshape(-1, 2)[np.maximum(models, 0)], 2, 0)
    return np.stack([np.ones_like(input_price), input_price, output_price, length[:, None] * input_price], axis=2)


def _least_squares(features: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Return the coefficients of a slightly ridged regression; features are put on one scale for it."""
    # Characters times price and the constant differ by many digits, which one ridge for all would not suit.
    size = np.maximum(np.abs(features).max(axis=0), 1e-12)
    unit = features / size
    return np.linalg.solve(unit.T @ unit + RIDGE * len(unit) * np.eye(4), unit.T @ cost) / size
