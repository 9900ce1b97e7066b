"""Say what the prior of answer quality reads of answers: their own features, and the traits that were learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.trait_features import TraitFeatures
from gmt.routing.conversation_reading import ReadQueries


class QualityFeatures(Protocol):
    """Describe the answers of models to queries, as these are read, by P numbers."""

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, P) features of the candidates; what stands under padding is not read."""
        ...

    def of_queries(self, queries: ReadQueries, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, P) features of the answers of (C, K) models to C queries of the history."""
        ...


@dataclass(frozen=True, eq=False)
class QualityTraits:
    """Describe answers by learned traits.

    f is a function of the query as it is read and of the model, shared by all conversations; the messages of rounds
    before a query reach the users' kernels alone.
    """

    traits: TraitFeatures

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) traits of the candidates."""
        asked = AskedQueries.alone(self.traits.reading.read(data, questions))
        return self.traits.read(asked, questions.candidates, data.vectors)

    def of_queries(self, queries: ReadQueries, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, F) traits of the answers of (C, K) models to C queries of the history."""
        return self.traits.read(AskedQueries.alone(queries), candidates, queries.texts)


@dataclass(frozen=True, eq=False)
class WeighedFeatures:
    """Describe answers by several sets of features side by side, each by the deviation of its weights.

    Args:
        parts: The sets.
        variances: Of what each feature of a set adds to quality; those of all together are then 1.
    """

    parts: tuple[QualityFeatures, ...]
    variances: tuple[float, ...]

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, P) features of the candidates."""
        return self._weighed([part.of_candidates(data, questions) for part in self.parts])

    def of_queries(self, queries: ReadQueries, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, P) features of the answers of (C, K) models to C queries of the history."""
        return self._weighed([part.of_queries(queries, candidates) for part in self.parts])

    def _weighed(self, found: list[np.ndarray]) -> np.ndarray:
        pairs = zip(self.variances, found, strict=True)
        return np.concatenate([np.sqrt(variance) * features for variance, features in pairs], axis=2)
