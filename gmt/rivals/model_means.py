"""Average what the visible history says of each model: its ratings and its costs."""

from __future__ import annotations

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable

SMOOTHING = 2.0  # a model's mean counts so many ratings at the mean of all


def model_means(table: InteractionTable, smoothing: float = SMOOTHING) -> np.ndarray:
    """Return (M,) mean ratings, drawn towards the mean of all rows; that mean for unrated models."""
    rated = ~np.isnan(table.rating)
    models, rating = table.model[rated], table.rating[rated]
    # Without any rating, the middle of the scale.
    middle = rating.mean() if len(rating) else 0.5
    counts = np.bincount(models, minlength=len(table.models))
    sums = np.bincount(models, rating, len(table.models))
    return (sums + smoothing * middle) / (counts + smoothing)


def model_costs(history: Dataset) -> np.ndarray:
    """Return (M,) mean costs in the history, else output prices, 0 where neither is known."""
    table = history.table
    known = ~np.isnan(table.cost)
    count = np.bincount(table.model[known], minlength=len(table.models))
    mean = np.bincount(table.model[known], table.cost[known], len(table.models)) / np.maximum(count, 1)
    prices = np.array([history.models[name].output_price or 0.0 for name in table.models])
    # All or none: costs of the source and prices have different units and must not be ranked together.
    return mean if count.all() else prices
