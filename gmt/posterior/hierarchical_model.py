"""Hold a hierarchical Bradley–Terry model that was fitted, and condition it on histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.linalg import block_diag

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import VALID
from gmt.posterior.alternating_fit import ROUNDS, alternating_fit
from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.candidate_features import CandidateFeatures, FeatureMaker
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.feedback_reading import Reading
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.prepared_history import PreparedHistory
from gmt.posterior.quality_features import QualityFeatures, QualityTraits, WeighedFeatures
from gmt.posterior.quality_prior import QualityPrior
from gmt.posterior.style import AnswerStyle
from gmt.posterior.trait_features import EARLIER_TRAIT_PREFIX, TRAIT_PREFIX, TraitFeatureMaker, TraitFeatures
from gmt.posterior.user_covariance import extended_covariance, initial_covariance
from gmt.posterior.vote_history import VoteHistory, read_voted
from gmt.routing.grid import ValidationVotes
from gmt.routing.kernels import MANY_MODELS, centred, model_kernels
from gmt.routing.one_thread import one_thread
from gmt.routing.query_keys import QueryKeys

if TYPE_CHECKING:
    from gmt.model.trait_ensemble import LearnedTraits

MOST_DESCRIBED = 1_000_000
"""Answers (known queries times models) up to which the prior of f reads the features of answers."""

SURE = 0.3
"""Least weight of words and signals that settings are chosen on."""


class HierarchicalModel:
    """Rank models by the quality of their answers and by what the votes of the query's user add.

    logit P(a ≻ b) = (1 + ρ_u) (f(q, a) - f(q, b)) + (e_a - e_b)ᵀ θ_u + π_u + g_u(q, a) - g_u(q, b) + style.

    A query q is read with its conversation as `ConversationReading` says.

    Answer quality f shares strength between queries and models by their texts (`QualityPrior`). (θ, π, ρ)_u ~ N(0, S),
    S learned from all users; g, the query-conditioned kernel, counts a user's votes on similar queries more
    (`KernelTerms`). The discrimination ρ says how closely a user's votes follow answer quality; the position bias π,
    the pull to the answer shown left, explains votes and is left out of scores. A tie counts as half a win of each, or
    says that the difference lies within a width of the user's own (`with_tie_widths`).
    Comparisons of more than two candidates are read as the pairs of `rated_pairs`, each a part of a vote, and where
    ratings say how far apart answers are, as ordered outcomes. An answer judged alone, by a rating, in words or by a
    signal, has the latent score (1 + ρ_u) f(q, a) + θ_u(a) + λ_u + g_u(q, a) + style, cut at thresholds that all users
    share; leniency λ and thresholds are left out of scores too. `Outcomes` states every likelihood.

    Source: Bradley and Terry (1952) for the likelihood; Rasmussen and Williams, Gaussian Processes for Machine Learning
    (2006), section 3.4, for the posterior.

    Limitations: one thread at a time; the history last scored is kept. Beyond `MANY_MODELS` models S is not learned,
    for votes cannot tell its M² entries; beyond `MOST_DESCRIBED` answers f does not read their features, and beyond
    `DENSE_QUERIES` queries texts are read on few axes. Time and memory grow with votes and queries.

    Args:
        settings: The variances; a term whose variance is 0 is off.
        features: Builds more features of candidates from the visible history; a user's weight of each has the
            variance `settings.trait_variance`.
        drift: Let `fit` decide on VALID whether user effects drift, where the history says when votes were cast.
        conversation: Let `fit` decide on VALID how queries are read with what came before them, and whether what was
            rated in the same conversation counts more, where conversations have several rounds.
    """

    style: FeatureMaker = staticmethod(AnswerStyle.of)
    describe: Callable[[Dataset], KnownAnswers] | None = None
    initial = HierarchicalSettings()

    def __init__(
        self,
        settings: HierarchicalSettings | None = None,
        features: FeatureMaker | None = None,
        drift: bool = False,
        conversation: bool = False,
    ) -> None:
        # `start` stays as given: a variance that `fit` chose, 0 perhaps, must not decide what a second fit tries.
        self.settings = self.start = settings or self.initial
        self.features, self.drift, self.conversation = features, drift, conversation
        self.traits: LearnedTraits | None = None
        self.covariance: np.ndarray | None = None
        self.lenient, self.reading = False, Reading()
        self.query_centre: np.ndarray | None = None
        self.model_centre: np.ndarray | None = None
        self._last: tuple[Dataset, ConditionedPosterior] | None = None

    def condition(self, history: Dataset) -> ConditionedPosterior:
        """Fit f and every user to the visible votes, given S and the settings.

        What comes back answers a question in about a millisecond, for as long as the history stays the same.
        """
        prepared = self.prepare(history)
        with one_thread():
            # Users' solves are many and small: threads cost more than they give.
            prior = self.prior(history, prepared, self.settings)
            # Thresholds that were learned stay; those of a form of feedback that is new are fitted to this history.
            votes, covariance, scales = prepared.votes, prepared.user_covariance, self.reading.scales
            if not scales.knows(votes.kind):
                _, _, found = alternating_fit(prior, votes, covariance, ROUNDS, cut=True)
                votes = votes.under(scales.before(found.scales))
            quality, _, votes = alternating_fit(prior, votes, covariance, ROUNDS)
        return prepared.conditioned(self.settings, quality, covariance, votes)

    def validation(self, data: Dataset) -> ValidationVotes | None:
        """Return what settings are chosen on: VALID's ratings, or where it has none, its words and signals."""
        found = ValidationVotes.of(data)
        if found is not None or self.reading.weak is None:
            return found
        valid = data.select(data.table.split == VALID)
        rows, glad, weight = self.reading.weak.read(valid.table, valid.vectors)
        # What could as well be glad as not would only add noise to every choice alike.
        sure = weight >= SURE
        return ValidationVotes.on(data, np.flatnonzero(data.table.split == VALID), rows[sure], glad[sure])

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates given the visible votes; a user without any gets what is best for all."""
        # Tables are never written into, so the same object is the same history.
        if self._last is None or self._last[0] is not history:
            self._last = history, self.condition(history)
        return self._last[1].score(history, questions)

    def summary(self) -> dict[str, Any]:
        """Return the settings that `fit` ended with."""
        return asdict(self.settings)

    def with_half_life(self, half_life: float) -> Self:
        """Return the same fit with user effects that drift with another half-life."""
        out = self._copy()
        out.settings = replace(self.settings, half_life=half_life)
        return out

    def with_learned_traits(self, network: LearnedTraits) -> Self:
        """Return the same fit that also reads learned traits, its own kernels scaled as they were beside them."""
        user, query, style = network.log_amplitudes.detach().exp().tolist()
        out = self._copy()
        out.traits, out.features = network, TraitFeatureMaker(network, self.settings.reading)
        # Traits carry their size in the network's own weights, hence their variance of 1.
        out.settings = replace(
            self.settings, prior_scale=user, query_kernel_scale=query, style_variance=style, trait_variance=1.0
        )
        return out

    def with_trait_quality(self, variance: float) -> Self:
        """Return the same fit whose answer quality also reads the learned traits, their weights of a variance."""
        out = self._copy()
        out.features = self.features
        out.settings = replace(self.settings, trait_quality_variance=variance)
        return out

    def _copy(self) -> Self:
        out = type(self)(self.start, self.features, self.drift, self.conversation)
        out.settings, out.traits, out.covariance = self.settings, self.traits, self.covariance
        out.query_centre, out.model_centre = self.query_centre, self.model_centre
        out.lenient, out.reading = self.lenient, self.reading
        return out

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as numbers, and the weights of learned traits under `TRAIT_PREFIX`."""
        found = {"covariance": self.covariance, "query_centre": self.query_centre, "model_centre": self.model_centre}
        if self.covariance is not None and self.lenient:
            # Leniency has an entry of its own, so that a reader of votes alone finds S as it always was.
            found |= {"covariance": self.covariance[:-1, :-1]}
            # Row and column, for sums of floats leave S symmetric but for the last digit.
            found["leniency"] = np.stack([self.covariance[-1], self.covariance[:, -1]])
        state = {name: value for name, value in found.items() if value is not None} | self.settings.to_arrays()
        state |= self.reading.to_arrays()
        if self.traits is not None:
            weights = self.traits.state_dict()
            state |= {f"{TRAIT_PREFIX}{name}": value.detach().numpy() for name, value in weights.items()}
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned; other `features` must be those it was fitted with."""
        self.settings, self._last = HierarchicalSettings.from_arrays(state), None
        self.covariance, self.query_centre, self.model_centre = (
            state.get(name) for name in ("covariance", "query_centre", "model_centre")
        )
        self.lenient, self.reading = "leniency" in state, Reading.from_arrays(state)
        if self.covariance is not None and self.lenient:
            row, column = state["leniency"]
            self.covariance = np.block([[self.covariance, column[:-1, None]], [row[None]]])
        # Traits were once saved under another prefix; a state holds one of the two.
        for prefix in (TRAIT_PREFIX, EARLIER_TRAIT_PREFIX):
            weights = {name: value for name, value in state.items() if name.startswith(prefix)}
            if weights:
                # Here, for a run without traits is routed without torch, which takes seconds to load.
                import torch

                from gmt.model.trait_ensemble import TraitEnsemble

                tensors = {name.removeprefix(prefix): torch.from_numpy(value) for name, value in weights.items()}
                self.traits = TraitEnsemble.from_state(tensors)
                self.features = TraitFeatureMaker(self.traits, self.settings.reading)
        return self

    def prepare(self, history: Dataset) -> PreparedHistory:
        """Read what a history says before anything is fitted."""
        # Style comes first: `feature_variances` names the groups in this order.
        makers: list[FeatureMaker] = [self.style, *([self.features] if self.features else [])]
        features = tuple(make(history) for make in makers)
        # An unfitted model has no centre of its own, and takes the history's.
        if self.query_centre is None:
            keys, _ = QueryKeys.of(history.table).distinct()
            centre = mean_vector(history.vectors[keys.query])
        else:
            centre = self.query_centre
        settings = self.settings
        votes = VoteHistory.read(
            history,
            features,
            centre,
            settings.half_life,
            self.reading,
            settings.reading,
            bool(settings.conversation_scale),
            settings.tie_rate,
        )
        covariance = self.user_covariance(history, self.lenient or bool(votes.lone.any()))
        reading = replace(self.reading, gaps=votes.scales.gap_cuts is not None)
        # The features of all answers are kept only where they fit in memory, and else not even read.
        answers = len(votes.queries.keys) * votes.models
        described = self._described(history, features) if answers <= MOST_DESCRIBED else None
        return PreparedHistory(votes, features, covariance, described, reading)

    def _described(self, history: Dataset, features: tuple[CandidateFeatures, ...]) -> QualityFeatures | None:
        """Return what the prior of f reads of answers: their own features, and learned traits where it reads these."""
        settings, own = self.settings, self.describe(history) if self.describe else None
        learned = features[-1]
        if not settings.trait_quality_variance or not isinstance(learned, TraitFeatures):
            return own
        traits = QualityTraits(learned)
        if own is None or not settings.answer_variance:
            return WeighedFeatures((traits,), (settings.trait_quality_variance,))
        return WeighedFeatures((own, traits), (settings.answer_variance, settings.trait_quality_variance))

    def prior(self, history: Dataset, prepared: PreparedHistory, settings: HierarchicalSettings) -> QualityPrior:
        """Return the prior of f over the queries of a history."""
        strength_kernel, answer_kernel = self._kernels(history)
        queries, described = prepared.votes.queries, None
        weighed = isinstance(prepared.answers, WeighedFeatures)  # by their own variances, so that theirs together is 1
        variance = 1.0 if weighed else settings.answer_variance
        if variance and prepared.answers is not None:
            # φ stands by query, then model, as the answers of the prior do.
            every_model = np.tile(np.arange(len(strength_kernel)), (len(queries.keys), 1))
            read, _ = read_voted(history, prepared.votes.comparison, settings.reading)
            described = prepared.answers.of_queries(read, every_model)
            described = described.reshape(-1, described.shape[2])
        return QualityPrior(
            queries,
            strength_kernel,
            answer_kernel,
            settings.strength_variance,
            settings.quality_variance,
            described,
            variance,
            self._unit(history) if len(strength_kernel) > MANY_MODELS else None,
            len(prepared.user_covariance) > len(strength_kernel) + 2,
        )

    def user_covariance(self, history: Dataset, lenient: bool | None = None) -> np.ndarray:
        """Return the (M + 2, M + 2) S over the models of a history, from their texts where it is not learned.

        With `lenient`, as by default where the fit saw answers judged alone, (M + 3, M + 3): leniency stands last.
        """
        lenient = self.lenient if lenient is None else lenient
        # A model that joined after the fit is placed by its text, and so is a leniency that no vote could teach.
        start = initial_covariance(self.settings, self._kernels(history)[0], lenient)
        if self.covariance is None:
            return start
        learned = self.covariance if self.lenient or not lenient else block_diag(self.covariance, start[-1:, -1:])
        return extended_covariance(learned, start, 2 + lenient)

    def _kernels(self, history: Dataset) -> tuple[np.ndarray, np.ndarray]:
        return model_kernels(history.model_vectors, self._centre(history))

    def _unit(self, history: Dataset) -> np.ndarray:
        """Return the (M, D) unit vectors of the models' texts whose products the kernels of models hold."""
        return centred(history.model_vectors, self._centre(history))

    def _centre(self, history: Dataset) -> np.ndarray:
        return mean_vector(history.model_vectors) if self.model_centre is None else self.model_centre


def mean_vector(vectors: np.ndarray) -> np.ndarray:
    """Return the (D,) mean of (N, D) vectors, 0 where there is none."""
    return vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
