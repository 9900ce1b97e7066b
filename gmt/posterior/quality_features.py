"""Say what the prior of answer quality reads of answers: their own features, and the traits that were learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.trait_features import TraitFeatures
from gmt.routing.query_keys import QueryKeys


class QualityFeatures(Protocol):
    """Describe the answers of models to queries by P numbers, whatever came before the query."""

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, P) features of the candidates; what stands under padding is not read."""
        ...

    def at(self, keys: QueryKeys, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, P) features of the answers of (C, K) models to C queries of the history."""
        ...


@dataclass(frozen=True, eq=False)
class QualityTraits:
    """Describe answers by learned traits.

    f is a function of query and model, shared by all conversations; what came before a query is read by users' kernels.
    """

    traits: TraitFeatures

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) traits of the candidates."""
        asked = AskedQueries.alone(QueryKeys.of(questions), data.table)
        return self.traits.read(asked, questions.candidates, data.vectors)

    def at(self, keys: QueryKeys, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, F) traits of the answers of (C, K) models to C queries of the history."""
        visible = self.traits.visible
        return self.traits.read(AskedQueries.alone(keys, self.traits.visible.table), candidates, visible.vectors)


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

    def at(self, keys: QueryKeys, candidates: np.ndarray) -> np.ndarray:
        """Return (C, K, P) features of the answers of (C, K) models to C queries of the history."""
        return self._weighed([part.at(keys, candidates) for part in self.parts])

    def _weighed(self, found: list[np.ndarray]) -> np.ndarray:
        pairs = zip(self.variances, found, strict=True)
        return np.concatenate([np.sqrt(variance) * features for variance, features in pairs], axis=2)
