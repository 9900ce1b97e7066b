"""Hold how ratings, words and signals are read, as `fit` learned it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset
from gmt.posterior.observations import Observations, observations_of
from gmt.posterior.rating_scales import RatingScales
from gmt.posterior.weak_feedback import WeakFeedback


@dataclass(frozen=True, eq=False)
class Reading:
    """Hold what turns a table into observations.

    Args:
        scales: Levels and thresholds of ratings.
        weak: What reads words and signals; None: they are not read.
        gaps: Whether pairs of ratings say by how much; None: where the table's own ratings do.
    """

    scales: RatingScales = RatingScales()
    weak: WeakFeedback | None = None
    gaps: bool | None = None

    def observations(self, history: Dataset) -> Observations:
        """Read everything that was said in a history."""
        return observations_of(history.table, self.weak, history.vectors, self.gaps)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything learned, by its name in a saved state."""
        gaps = {} if self.gaps is None else {"gaps": np.array(float(self.gaps))}
        return gaps | self.scales.to_arrays() | (self.weak.to_arrays() if self.weak else {})

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> Reading:
        """Read what `to_arrays` returned; a state of an earlier version knows votes alone."""
        weak = WeakFeedback.from_arrays(state)
        return cls(RatingScales.from_arrays(state), weak, bool(state["gaps"]) if "gaps" in state else False)
