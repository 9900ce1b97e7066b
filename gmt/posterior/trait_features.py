"""Let the posterior read learned traits: describe answers by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable
from gmt.routing.conversation_reading import ConversationReading

if TYPE_CHECKING:
    from gmt.model.trait_network import TraitNetwork

TRAIT_PREFIX = "traits."
"""Begins the names of the traits' weights in a saved posterior."""
EARLIER_TRAIT_PREFIX = "taste."
"""Begins them in runs saved before they were called traits."""


@dataclass(frozen=True, eq=False)
class TraitFeatures:
    """Describe answers by the traits of their model, weighted by the query; an answer's text is not read.

    Args:
        models: (M, F) traits of every model.
        network: What weights them.
        reading: How queries are read with what came before them.
    """

    models: np.ndarray
    network: TraitNetwork
    reading: ConversationReading

    def of_rows(self, history: Dataset) -> np.ndarray:
        """Return (R, F) weighted traits of every row's model."""
        table = history.table
        # The network weighs each query once, however often it was voted on.
        queries, at = np.unique(np.stack([table.query, table.task], axis=1), axis=0, return_inverse=True)
        weights = self._weights(history.vectors[queries[:, 0]], queries[:, 1])[at.reshape(-1)]
        self._read_later(weights, history, table)
        return self.models[table.model] * weights[table.row_comparison]

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) weighted traits of the candidates."""
        weights = self._weights(data.vectors[questions.query], questions.task)
        self._read_later(weights, data, questions)
        return self.models[np.maximum(questions.candidates, 0)] * weights[:, None, :]

    def _read_later(self, weights: np.ndarray, data: Dataset, source: InteractionTable | Questions) -> None:
        """Weigh anew, in (N, F) `weights`, by the rounds that are read with their conversation."""
        read = self.reading.read(data, source)
        if len(read.later):
            weights[read.later] = self._weights(read.mixed, read.keys.task[read.later])

    def _weights(self, vectors: np.ndarray, task: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            found = self.network.weights(torch.as_tensor(vectors, dtype=torch.float32), torch.as_tensor(task))
        return found.numpy().astype(float)


@dataclass(frozen=True, eq=False)
class TraitFeatureMaker:
    """Build `TraitFeatures` for whatever models a history knows."""

    network: TraitNetwork
    reading: ConversationReading = field(default_factory=ConversationReading)

    def __call__(self, history: Dataset) -> TraitFeatures:
        import torch

        with torch.inference_mode():
            # Traits of models are computed once for a history; only the query's weights differ from target to target.
            models = self.network.of_models(torch.as_tensor(history.model_vectors, dtype=torch.float32))
        return TraitFeatures(models.numpy().astype(float), self.network, self.reading)
