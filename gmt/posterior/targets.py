"""Read what a posterior needs to know of its targets, in parts that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.answer_quality import QualityFit
from gmt.posterior.candidate_features import CandidateFeatures
from gmt.posterior.quality_features import QualityFeatures
from gmt.routing.conversation_reading import ConversationReading
from gmt.routing.kernels import QueryKernel

TARGET_NUMBERS_AT_ONCE = 2_000_000
"""Questions are scored in parts whose similarities hold at most so many numbers."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Hold C questions of one part and what is known of their candidates.

    Args:
        at: (C,) where they stand among all questions.
        questions: The questions themselves.
        similarity: (C, G) K_q with the queries that were voted on.
        fitted: (C, H) K_q with the queries that f was fitted to, often the same array.
        models: (C, K) model codes, 0 under padding.
        quality: (C, K) posterior mean of f.
        features: (C, K, F) what a user's own weights are of.
        described: (C, K, P) φ in the prior of f, None where it does not describe answers.
    """

    at: np.ndarray
    questions: Questions
    similarity: np.ndarray
    fitted: np.ndarray
    models: np.ndarray
    quality: np.ndarray
    features: np.ndarray
    described: np.ndarray | None

    def offered(self, scores: np.ndarray) -> np.ndarray:
        """Return (C, K) scores with -inf under padding."""
        return np.where(self.questions.candidates >= 0, scores, -np.inf)


@dataclass(frozen=True, eq=False)
class TargetReader:
    """Read questions.

    Args:
        fit: The fit of f.
        queries: Those that were voted on: the ones f was fitted to, with others behind them, or one user's alone.
        features: What users have weights of, one for each group.
        answers: What describes answers in the prior of f, if anything does.
        reading: How queries are read with what came before them.
    """

    fit: QualityFit
    queries: QueryKernel
    features: tuple[CandidateFeatures, ...]
    answers: QualityFeatures | None
    reading: ConversationReading

    def parts(self, data: Dataset, questions: Questions, width: int) -> Iterator[Targets]:
        """Cut questions into parts whose similarities, or `width` numbers each if that is more, fit in memory."""
        known = max(len(self.queries.keys), len(self.fit.prior.query_kernel.keys))
        size = max(1, TARGET_NUMBERS_AT_ONCE // max(known, width, 1))
        for start in range(0, len(questions), size):
            yield self.read(data, questions, np.arange(start, min(start + size, len(questions))))

    def read(self, data: Dataset, questions: Questions, at: np.ndarray) -> Targets:
        """Return what is known of the questions at (C,) positions."""
        part, known = questions.select(at), self.fit.prior.query_kernel
        read = self.reading.read(data, part)
        similarity = self.queries.to_known(read)
        # Where the queries begin with those of f, one product serves both.
        shared = self.queries.begins_with(known)
        fitted = similarity[:, : len(known.keys)] if shared else known.to_known(read)
        # Padding reads model 0, whose numbers `offered` hides.
        models, described = np.maximum(part.candidates, 0), self._described(data, part)
        quality = np.take_along_axis(self.fit.mean(fitted), models, axis=1)
        if described is not None:
            quality = quality + described @ self.fit.feature_weights
        return Targets(at, part, similarity, fitted, models, quality, self.features_of(data, part), described)

    def features_of(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K, F) features of all groups side by side."""
        groups = [group.of_candidates(data, questions) for group in self.features]
        # The first part is of no width: without any group there would be nothing to concatenate.
        return np.concatenate([np.zeros((*questions.candidates.shape, 0)), *groups], axis=2)

    def _described(self, data: Dataset, questions: Questions) -> np.ndarray | None:
        # Answers may be described and yet not read by f, where they were too many or their variance is 0.
        if self.answers is None or self.fit.prior.features is None:
            return None
        return self.answers.of_candidates(data, questions)
