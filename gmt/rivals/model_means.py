"""Average what everybody said of each model."""

from __future__ import annotations

import numpy as np

from gmt.data.interactions import InteractionTable

SMOOTHING = 2.0  # a model's mean counts so many ratings at the mean of all


def model_means(table: InteractionTable, smoothing: float = SMOOTHING) -> np.ndarray:
    """Return (M,) mean ratings, drawn towards the mean of all rows; that mean for unrated models."""
    rated = ~np.isnan(table.rating)
    models, rating = table.model[rated], table.rating[rated]
    middle = rating.mean() if len(rating) else 0.5
    counts = np.bincount(models, minlength=len(table.models))
    sums = np.bincount(models, rating, len(table.models))
    return (sums + smoothing * middle) / (counts + smoothing)
