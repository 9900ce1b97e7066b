"""Hold gradient-boosted regression trees as flat arrays, so that they can be saved and walked without their maker."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Trees:
    """Hold R trees of N nodes together.

    Args:
        baseline: (1,) what every prediction begins with.
        root: (R,) the first node of each tree.
        feature, threshold: (N,) what a node splits on: values up to the threshold go left.
        left, right: (N,) the nodes that follow; a leaf follows itself.
        value: (N,) what a leaf adds.
    """

    baseline: np.ndarray
    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, fitted: Any) -> Trees:
        """Read a fitted `HistGradientBoostingRegressor` of one output, of numbers without gaps."""
        parts = [round_of_trees[0].nodes for round_of_trees in fitted._predictors]
        # Trees lie one after the other: nodes inside one are counted from its root.
        root = np.cumsum([0, *(len(part) for part in parts)])[:-1]
        nodes, begin = np.concatenate(parts), np.repeat(root, [len(part) for part in parts])
        leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
        return cls(
            np.reshape(fitted._baseline_prediction, -1).astype(float),
            root,
            # A leaf leads to itself, so whatever it compares moves nothing; 0 is a feature that exists.
            np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
            nodes["num_threshold"].astype(float),
            np.where(leaf, own, begin + nodes["left"]).astype(np.int64),
            np.where(leaf, own, begin + nodes["right"]).astype(np.int64),
            nodes["value"].astype(float),
        )

    @classmethod
    def constant(cls, value: float) -> Trees:
        """Return no tree at all: every prediction is `value`."""
        none = np.zeros(0, np.int64)
        return cls(np.array([value]), none, none, np.zeros(0), none, none, np.zeros(0))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the (C,) predictions at (C, F) features."""
        row = np.arange(len(features))[:, None]
        at = np.tile(self.root, (len(features), 1))  # (C, R), all trees walked at once
        while True:
            after = np.where(features[row, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
            if (after == at).all():
                break
            at = after
        found = np.full(len(features), self.baseline[0])
        for tree in range(len(self.root)):  # in the order of boosting, which fixes how the sum is rounded
            found += self.value[at[:, tree]]
        return found

    def state_dict(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays, each name behind the prefix."""
        return {prefix + item.name: getattr(self, item.name) for item in fields(self)}
