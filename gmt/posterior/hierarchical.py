"""Route by the hierarchical model: learn how users vary from TRAIN, and choose the variances on VALID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.posterior.alternating_fit import LEARNING_ROUNDS, alternating_fit
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical_model import HierarchicalModel, mean_vector
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.prepared_history import PreparedHistory
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from gmt.routing.pairwise import votes_of
from gmt.routing.query_keys import QueryKeys

QUALITY_VARIANCES = (0.15, 0.3, 1.0, 2.0)
QUERY_KERNEL_SCALES = (0.0, 1.0, 3.0)
PRIOR_SCALES = (0.5, 1.0)
STYLE_VARIANCES = (0.0, 0.05)
HALF_LIVES = (5.0, 10.0, 20.0, 40.0)
"""What `fit` tries on VALID of each setting; half-lives in ratings of a user."""


class HierarchicalBradleyTerry(HierarchicalModel):
    """Choose the settings of the hierarchical model on VALID; the rest is as the model says.

    Source: Bradley and Terry (1952) for the likelihood; the class it extends for the model.
    """

    name, logits = "hierarchical_bradley_terry", True

    def fit(self, data: Dataset) -> Self:
        """Learn S from the TRAIN votes, and choose settings by the log loss of the VALID votes."""
        with threadpool_limits(1):  # many small solves: threads cost more than they give
            return self._fit(data)

    def _fit(self, data: Dataset) -> Self:
        # Centres are stored with the fit: a longer history later must not move the texts that S and f were chosen with.
        keys, _ = QueryKeys.of(data.table).distinct()
        self.query_centre, self.model_centre = mean_vector(data.vectors[keys.query]), mean_vector(data.model_vectors)
        self.covariance, self._last = None, None
        # The drift of an earlier fit would change the kernel that this one chooses by.
        self.settings = replace(self.settings, half_life=self.start.half_life)
        valid = ValidationVotes.of(data)
        history = data.select(data.table.split == TRAIN) if valid is None else valid.history
        self.settings = replace(self.settings, tie_rate=self._tie_rate(history))
        prepared = self.prepare(history)

        # 1. Without a vote to choose by, the settings stand and S alone is learned.
        if valid is None or not len(prepared.votes):
            self.covariance = self._fitted(history, prepared, self.settings).effects.covariance
            return self

        # 2. Every candidate is fitted on TRAIN; the lowest log loss of VALID is kept, the first of equal ones.
        candidates = self._candidates(history, prepared, data, valid.questions)
        best, _ = best_setting(candidates, lambda candidate: valid.losses(candidate[1], self.logits))
        self.settings, self.covariance = best.effects.settings, best.effects.covariance

        # 3. A drift must win by two standard errors, for several half-lives were tried on the same votes.
        # Without times nothing says which votes are newer.
        if self.drift and not np.isnan(data.table.timestamp).any():
            tried = [best, *(best.with_drift(life) for life in HALF_LIVES)]
            found = [valid.losses(one.score(data, valid.questions), self.logits) for one in tried]
            at = best_setting(range(len(tried)), lambda number: found[number])
            # The first is the fit without drift, against which the best is paired vote by vote.
            gain, doubt = paired_gain(found[0], found[at])
            if gain > doubt:
                self.settings = tried[at].effects.settings
        return self

    def _tie_rate(self, history: Dataset) -> float:
        """Return the share of ties among the TRAIN votes; 0 where ties are half wins, or none was cast."""
        votes = votes_of(history.table)
        # The start says whether, and TRAIN how often; without a vote the start's own share is all there is.
        return float((votes.y == 0.5).mean()) if self.start.tie_rate and len(votes) else self.start.tie_rate

    def _candidates(
        self, history: Dataset, prepared: PreparedHistory, data: Dataset, questions: Questions
    ) -> Iterator[tuple[ConditionedPosterior, np.ndarray]]:
        """Yield the fit under every choice of settings, and its (C, K) scores of the VALID questions.

        Only quality_variance needs a fit of its own; the scales and variances of the user kernel share it.
        """
        for variance in values_to_try(QUALITY_VARIANCES, self.start.quality_variance):
            settings = replace(self.settings, quality_variance=variance)
            fitted = self._fitted(history, prepared, settings)
            # S is learned once for all kernels: learning it under each would cost a fit for every one of them.
            choices = [replace(settings, **choice) for choice in self.kernel_choices()]
            for choice, scores in zip(choices, fitted.scores_under(choices, data, questions), strict=True):
                yield fitted.under(choice), scores

    def _fitted(
        self, history: Dataset, prepared: PreparedHistory, settings: HierarchicalSettings
    ) -> ConditionedPosterior:
        """Fit f and S to the votes under some settings."""
        prior = self.prior(history, prepared, settings)
        quality, covariance = alternating_fit(
            prior, prepared.votes, prepared.user_covariance, LEARNING_ROUNDS, learn=True
        )
        return prepared.conditioned(settings, quality, covariance)

    def kernel_choices(self) -> Iterable[dict[str, float]]:
        """Return the settings of the user kernel that `fit` tries, by their names."""
        scales = values_to_try(QUERY_KERNEL_SCALES, self.start.query_kernel_scale)
        priors = values_to_try(PRIOR_SCALES, self.start.prior_scale)
        for query, prior, style in product(scales, priors, self.style_choices()):
            yield {"query_kernel_scale": query, "prior_scale": prior, "style_variance": style}

    def style_choices(self) -> tuple[float, ...]:
        """Return the variances of style that `fit` tries."""
        return values_to_try(STYLE_VARIANCES, self.start.style_variance)

    @property
    def notes(self) -> list[str]:
        """Return what there is to say about the fit."""
        life = self.settings.half_life
        return [f"User effects drift: after {life:g} more ratings half of them is another."] if life else []


def values_to_try(values: tuple[float, ...], start: float) -> tuple[float, ...]:
    """Return the variances of a term that `fit` tries: 0 alone where it is switched off."""
    return values if start else (0.0,)
