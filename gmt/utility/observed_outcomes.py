"""Hold what users said of answers: votes between two, or rewards of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class ObservedOutcomes:
    """Hold V votes between two answers, or V rewards of one.

    Args:
        features: (Q, D) what is known of each query.
        task: (Q,) codes, the last for queries of no known task.
        user: (V,) codes.
        query: (V,) rows of `features`.
        a, b: (V,) models; b is -1 where a reward was observed.
        cost_a, cost_b: (V,) shares in [0, 1].
        y: (V,) 1 where a won, 0 where b did, 0.5 for a tie; or the reward of a.
        comparison: (V,) positions in the table these were read from.
    """

    features: np.ndarray
    task: np.ndarray
    user: np.ndarray
    query: np.ndarray
    a: np.ndarray
    b: np.ndarray
    cost_a: np.ndarray
    cost_b: np.ndarray
    y: np.ndarray
    comparison: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def votes(self) -> bool:
        """Whether these are votes."""
        return bool((self.b >= 0).any())

    def select(self, positions: np.ndarray) -> ObservedOutcomes:
        """Return those at `positions` (indices or a mask)."""
        # Features and tasks are of queries, which outcomes point into; they stay whole.
        names = ("user", "query", "a", "b", "cost_a", "cost_b", "y", "comparison")
        return replace(self, **{name: getattr(self, name)[positions] for name in names})
