"""Rank models by boosted trees on the query and on the user's mean rating of every model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.errors import DataError
from gmt.rivals.rival import Rival, at_candidates, entry
from gmt.rivals.shrunk_means import CentredRatings
from gmt.rivals.trees import Trees
from gmt.routing.kernels import principal_axes
from gmt.routing.one_thread import one_thread

# scikit-learn keeps at least 20 samples in a leaf: with fewer ratings no tree could split.
COMPONENTS, ROUNDS, LEAST_RATINGS = 24, 60, 20
USER_SMOOTHING = 3.0


class BoostedTrees(Rival):
    """Score a model by boosted trees on text components, task and the user's mean rating of every model.

    Source: gradient boosting as a router (LLMRouter, ulab-uiuc), scikit-learn's histogram trees; in training
    the user's means leave out the target's whole comparison, so that no rating explains itself.

    Args:
        seed: Of the trees.
    """

    name, saved = "boosted_trees", ("seed",)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.trees: dict[int, Trees] = {}  # a model without a TRAIN rating has none
        self.models, self.centre, self.basis = 0, np.zeros(0), np.zeros((0, 0))

    def fit(self, data: Dataset) -> Self:
        """Grow the trees of every model on the TRAIN ratings."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        history = data.select(data.table.split == TRAIN)
        rows = CentredRatings.of(history.table)
        # 1. Axes of the distinct queries: one that was asked often must not turn them towards itself.
        queries = history.vectors[np.unique(history.table.query)]
        self.centre, _, self.basis = principal_axes(queries, COMPONENTS)
        means, self.trees = rows.means(USER_SMOOTHING), {}
        described = self._of_rows(history)
        with one_thread():
            # 2. Trees for each model alone, for the same query speaks for one model and against another.
            for model in np.unique(rows.model).tolist():
                own = np.flatnonzero(rows.model == model)
                if len(own) < LEAST_RATINGS:
                    self.trees[model] = Trees.constant(float(rows.rating[own].mean()))
                    continue
                # Ratings are centred within their comparison, so that the others of it would give the target away.
                observed = means.without(rows.user[own], *rows.beside(own))
                features = np.column_stack(
                    [self._places(history, rows.query[own]), rows.task[own], observed, described[own]]
                )
                grown = HistGradientBoostingRegressor(
                    max_iter=ROUNDS,
                    learning_rate=0.05,
                    max_leaf_nodes=8,
                    l2_regularization=10.0,
                    random_state=self.seed,
                ).fit(features, rows.rating[own])
                self.trees[model] = Trees.of(grown)
        self.models = len(history.table.models)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the trees, the user's means being those of the visible history.

        Raises:
            DataError: The router was not fitted.
        """
        if not len(self.centre):
            raise DataError("boosted_trees was not fitted; fit it before it scores")
        means = CentredRatings.of(history.table).means(USER_SMOOTHING)
        observed = means.at(questions.user)[:, : self.models]  # models that came later are no feature of the trees
        features = np.column_stack([self._places(history, questions.query), questions.task, observed])
        # A model that came after the fit has no trees, and stands at its mean rating.
        scores = np.tile(means.overall, (len(questions), 1))
        described = self._of_models(history, questions)
        for model, trees in self.trees.items():
            scores[:, model] = trees.predict(np.column_stack([features, described[:, model]]))
        return at_candidates(scores, questions)

    def _of_rows(self, history: Dataset) -> np.ndarray:
        """Return (N, F) what else is known of the answers of the N rated rows of a history; nothing here."""
        return np.zeros((int((~np.isnan(history.table.rating)).sum()), 0))

    def _of_models(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, M, F) the same of the answers of all models to C questions."""
        return np.zeros((len(questions), len(history.table.models), 0))

    def _places(self, data: Dataset, query: np.ndarray) -> np.ndarray:
        """Return (N, R) coordinates of queries, rounded: trees must not split on how large the batch was."""
        return np.round((data.vectors[query] - self.centre) @ self.basis, 6)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the trees and the axes they read, as named arrays."""
        state = super().state_dict() | {"centre": self.centre, "models": np.array(self.models)}
        state["basis"] = np.ascontiguousarray(self.basis)  # a view of the axes that were left out, too
        for model, trees in self.trees.items():
            state |= trees.state_dict(f"trees.{model}.")
        return state

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        self.centre, self.basis, models = (entry(state, name, self.name) for name in ("centre", "basis", "models"))
        self.models = int(models)
        # The names of the arrays hold the codes of the models that have trees: trees.MODEL.ARRAY.
        known = sorted({int(name.split(".")[1]) for name in state if name.startswith("trees.")})
        names = [item.name for item in fields(Trees)]
        self.trees = {
            model: Trees(**{name: entry(state, f"trees.{model}.{name}", self.name) for name in names})
            for model in known
        }
        return self
