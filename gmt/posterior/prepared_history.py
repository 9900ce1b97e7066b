"""Hold what a history says before anything is fitted to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gmt.posterior.answer_quality import QualityFit
from gmt.posterior.candidate_features import CandidateFeatures
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.feedback_reading import Reading
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.quality_features import QualityFeatures
from gmt.posterior.user_effects import UserEffects
from gmt.posterior.vote_history import VoteHistory


@dataclass(frozen=True, eq=False)
class PreparedHistory:
    """Hold the votes of a history, and what describes its users, models and answers.

    Args:
        votes: The votes.
        features: What users have weights of.
        user_covariance: (M + 2, M + 2) S over the models of the history; (M + 3, M + 3) with leniency.
        answers: What describes answers in the prior of f, if anything does.
        reading: How ratings, words and signals are read.
    """

    votes: VoteHistory
    features: tuple[CandidateFeatures, ...]
    user_covariance: np.ndarray
    answers: QualityFeatures | None
    reading: Reading = Reading()

    def conditioned(
        self, settings: HierarchicalSettings, quality: QualityFit, covariance: np.ndarray, votes: VoteHistory
    ) -> ConditionedPosterior:
        """Return what is believed under settings, a fit of f, S, and the votes under their thresholds."""
        offset = quality.differences(votes.query, votes.a, votes.b)
        effects = UserEffects(settings, covariance, votes, offset)
        reading = replace(self.reading, scales=votes.scales)
        return ConditionedPosterior(quality, effects, self.features, self.answers, reading)
