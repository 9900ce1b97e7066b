"""Route by the hierarchical model: learn how users vary from TRAIN, and choose the variances on VALID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.posterior.alternating_fit import LEARNING_ROUNDS, alternating_fit
from gmt.posterior.choose_conversation import choose_conversation
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.feedback_reading import Reading
from gmt.posterior.hierarchical_model import HierarchicalModel, mean_vector
from gmt.posterior.hierarchical_settings import CHOSEN_LATER, HierarchicalSettings
from gmt.posterior.observations import VOTE
from gmt.posterior.prepared_history import PreparedHistory
from gmt.posterior.vote_history import VoteHistory
from gmt.posterior.weak_feedback import WeakFeedback
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from gmt.routing.one_thread import one_thread
from gmt.routing.query_keys import QueryKeys
from gmt.routing.search_sample import search_sample

QUALITY_VARIANCES = (0.15, 0.3, 1.0, 2.0)
QUERY_KERNEL_SCALES = (0.0, 1.0, 3.0)
PRIOR_SCALES = (0.5, 1.0)
LONE_PRIOR_SCALES = (0.1, 0.5, 1.0)
STYLE_VARIANCES = (0.0, 0.05)
HALF_LIVES = (5.0, 10.0, 20.0, 40.0)
"""What `fit` tries on VALID of each setting; half-lives in ratings of a user.

Where answers are rated alone users may differ in leniency and hardly in taste, hence a smaller scale among these."""
LONE_STANDING = {"quality_variance": 0.3, "query_kernel_scale": 0.0, "prior_scale": 0.5}
"""What stands where nobody voted and answers were rated alone, until another choice beats it by two standard errors.

Such VALID parts hold some fifty pairs for 36 choices, and the best of these is the luckiest. Chosen on real people's
TRAIN and VALID, cut anew inside (docs/results.md): the lowest loss lost .02 of log loss to this on `llm_rubric`."""


Candidate = tuple[ConditionedPosterior, np.ndarray]
"""A fit, and its (C, K) scores of the VALID questions."""


class HierarchicalBradleyTerry(HierarchicalModel):
    """Choose the settings of the hierarchical model on VALID; the rest is as the model says.

    Source: Bradley and Terry (1952) for the likelihood; the class it extends for the model.
    """

    name, logits = "hierarchical_bradley_terry", True

    def fit(self, data: Dataset) -> Self:
        """Learn S from the TRAIN votes, and choose settings by the log loss of the VALID votes.

        Of more votes than `SEARCH_VOTES` those of a sample of users are read.
        """
        with one_thread():  # many small solves: threads cost more than they give
            return self._fit(data)

    def _fit(self, data: Dataset) -> Self:
        # Centres are stored with the fit: a longer history later must not move the texts that S and f were chosen with.
        keys, _ = QueryKeys.of(data.table).distinct()
        self.query_centre, self.model_centre = mean_vector(data.vectors[keys.query]), mean_vector(data.model_vectors)
        self.covariance, self.lenient, self._last = None, False, None
        # What an earlier fit chose of these, or its tie widths, would change what this one chooses by.
        later = {name: getattr(self.start, name) for name in CHOSEN_LATER}
        self.settings = replace(self.settings, **later, tie_rate=0.0)
        # What is chosen below are properties of the population, for which a bounded sample of its users serves.
        data = search_sample(data)
        train = data.select(data.table.split == TRAIN)
        # Words and signals are read by what TRAIN says of them; thresholds follow with the fit.
        self.reading = Reading(weak=WeakFeedback.learned(train))
        valid = self.validation(data)
        history = train if valid is None else valid.history
        prepared = self.prepare(history)
        self.reading = prepared.reading
        self.lenient = bool(prepared.votes.lone.any())

        # 1. Without a vote to choose by, the settings stand and S alone is learned.
        if valid is None or not len(prepared.votes):
            if prepared.votes.lone.all() and len(prepared.votes):
                # Those of votes were set for votes; what was given by hand stays.
                given = {name for name in LONE_STANDING if getattr(self.start, name) != getattr(self.initial, name)}
                self.settings = replace(self.settings, **{k: v for k, v in LONE_STANDING.items() if k not in given})
            self._keep(self._fitted(history, prepared, self.settings))
            return self

        # 2. Every candidate is fitted on TRAIN; the lowest log loss of VALID is kept, the first of equal ones.
        candidates = self._candidates(history, prepared, data, valid.questions)
        if self.lenient and not len(valid.votes):
            best, scores = self._standing_or_better(candidates, valid)
        else:
            best, scores = best_setting(candidates, lambda candidate: valid.losses(candidate[1], self.logits))

        # 3. The same with tie widths. Neither is the simpler model, so the lower loss decides: that of untied votes,
        # for under widths a tie is no half win; each at its own temperature, for half wins draw all scores together.
        rate = tie_share(prepared.votes) if self.start.tie_rate else 0.0
        if rate:
            self.settings = replace(self.settings, tie_rate=rate)
            wide = replace(prepared, votes=replace(prepared.votes, tie_rate=rate))
            candidates, untied = self._candidates(history, wide, data, valid.questions), valid.untied()
            other = best_setting(candidates, lambda candidate: valid.losses(candidate[1], self.logits))
            best, _ = best_setting([(best, scores), other], lambda one: untied.losses(one[1], logits=False))
        self.settings = best.effects.settings
        self._keep(best)

        # 4. A drift must win by two standard errors, for several half-lives were tried on the same votes.
        # Without times nothing says which votes are newer.
        if self.drift and not np.isnan(data.table.timestamp).any():
            tried = [best, *(best.with_drift(life) for life in HALF_LIVES)]
            found = [valid.losses(one.score(data, valid.questions), self.logits) for one in tried]
            at = best_setting(range(len(tried)), lambda number: found[number])
            # The first is the fit without drift, against which the best is paired vote by vote.
            gain, doubt = paired_gain(found[0], found[at])
            if gain > doubt:
                best = tried[at]
                self.settings = best.effects.settings

        # 5. The conversation, where there are any: a fit of its own for each way of reading it.
        if self.conversation:
            best = choose_conversation(
                best,
                data,
                valid,
                self.logits,
                lambda settings: self._refitted(history, prepared.reading, data, valid, settings),
            )
            self.settings = best.effects.settings
            self._keep(best)
        return self

    def _standing_or_better(self, candidates: Iterable[Candidate], valid: ValidationVotes) -> Candidate:
        """Return the candidate of `LONE_STANDING`, or the best where it wins by two standard errors.

        Pairs of one user share answers, so the errors are clustered by user.
        """
        tried = [(*candidate, valid.losses(candidate[1], self.logits)) for candidate in candidates]
        # A term that is switched off has one value alone, which then stands.
        standing = next(one for one in tried if self._stands(one[0].effects.settings))
        best = best_setting(tried, lambda one: one[2])
        gain, doubt = paired_gain(standing[2], best[2], valid.user)
        return (best if gain > doubt else standing)[:2]

    def _stands(self, settings: HierarchicalSettings) -> bool:
        """Tell whether settings are what stands, as far as terms are on."""
        wanted = {name: value for name, value in LONE_STANDING.items() if getattr(self.start, name)}
        return all(getattr(settings, name) == value for name, value in wanted.items())

    def _refitted(
        self, history: Dataset, reading: Reading, data: Dataset, valid: ValidationVotes, settings: HierarchicalSettings
    ) -> Iterator[Candidate]:
        """Fit anew, S and thresholds included; yield every choice of the user kernel and its (C, K) VALID scores."""
        model = self._copy()
        model.settings, model.covariance, model.reading = settings, None, reading
        fitted = model._fitted(history, model.prepare(history), settings)
        choices = [replace(settings, **choice) for choice in self.kernel_choices()]
        for choice, scores in zip(choices, fitted.scores_under(choices, data, valid.questions), strict=True):
            yield fitted.under(choice), scores

    def _candidates(
        self, history: Dataset, prepared: PreparedHistory, data: Dataset, questions: Questions
    ) -> Iterator[Candidate]:
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
        quality, covariance, votes = alternating_fit(
            prior, prepared.votes, prepared.user_covariance, LEARNING_ROUNDS, learn=True
        )
        return prepared.conditioned(settings, quality, covariance, votes)

    def _keep(self, found: ConditionedPosterior) -> None:
        """Keep S and the thresholds of a fit."""
        self.covariance, self.reading = found.effects.covariance, found.reading
        self.lenient = len(self.covariance) > found.votes.models + 2

    def kernel_choices(self) -> Iterable[dict[str, float]]:
        """Return the settings of the user kernel that `fit` tries, by their names."""
        scales = values_to_try(QUERY_KERNEL_SCALES, self.start.query_kernel_scale)
        priors = values_to_try(LONE_PRIOR_SCALES if self.lenient else PRIOR_SCALES, self.start.prior_scale)
        for query, prior, style in product(scales, priors, self.style_choices()):
            yield {"query_kernel_scale": query, "prior_scale": prior, "style_variance": style}

    def style_choices(self) -> tuple[float, ...]:
        """Return the variances of style that `fit` tries."""
        return values_to_try(STYLE_VARIANCES, self.start.style_variance)

    @property
    def notes(self) -> list[str]:
        """Return what there is to say about the fit."""
        said, settings = [], self.settings
        if settings.half_life:
            said.append(f"User effects drift: after {settings.half_life:g} more ratings half of them is another.")
        if settings.context_decay:
            said.append(f"A query is read with its conversation: {settings.reading}.")
        if settings.conversation_scale:
            scale = settings.conversation_scale
            said.append(f"Ratings of the same conversation count more: effects within one vary {scale:g} times as S.")
        return said


def tie_share(votes: VoteHistory) -> float:
    """Return the share of ties among the votes of a history, parts of votes counted as such; 0 without a vote."""
    outcomes = votes.outcomes[votes.kind == VOTE]
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    return float(np.average(outcomes.y == 0.5, weights=weight)) if weight.any() else 0.0


def values_to_try(values: tuple[float, ...], start: float) -> tuple[float, ...]:
    """Return the variances of a term that `fit` tries: 0 alone where it is switched off."""
    return values if start else (0.0,)
