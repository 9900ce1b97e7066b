"""Route by a hierarchical Bayesian model: the worth of every answer for all, and what each person likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np
from scipy.linalg import block_diag
from threadpoolctl import threadpool_limits

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.answer_quality import CellFit, CellPrior, fit_cells
from gmt.posterior.posterior import HierarchicalSettings, Posterior
from gmt.posterior.style import AnswerStyle, CandidateFeatures, FeatureMaker, JoinedFeatures
from gmt.posterior.user_effects import Past, People
from gmt.routing.costs import CostFeatures
from gmt.routing.kernels import QueryKeys, model_kernels
from gmt.routing.pairwise import Votes, log_losses, votes_of

HALF_LIVES = (5.0, 10.0, 20.0, 40.0)
CELLS, MEMORIES, SPREADS, STYLES = (0.15, 0.3, 1.0, 2.0), (0.0, 1.0, 3.0), (0.5, 1.0), (0.0, 0.05)
LEARNING_ROUNDS, ROUNDS = 6, 3
LEARNING_RATE = 0.7  # share of S that a round of learning renews


class HierarchicalBradleyTerry:
    """Rank models by the worth of their answers and by what the asking person's votes say they like.

    logit P(a ≻ b) = (1 + ρ_u) (f_qa - f_qb) + (e_a - e_b)ᵀ θ_u + π_u + memory + style. f shares
    strength between queries and models by their texts; (θ, π, ρ) of a person is normal with a
    covariance S learned from everybody; memory counts a person's votes on similar queries more.
    π, the pull to the answer shown left, explains votes and is left out of scores. Comparisons of
    more than two candidates are read as all their pairs; a rating given to a lone candidate is not
    read, for nothing says what it is compared with.

    Args:
        settings: The variances; `fit` replaces those it chooses, but a term that starts at 0 stays off.
        features: Builds more features of candidates from the visible history; a person's liking of
            them has the variance `settings.extra`.
        drift: Let the VALID votes decide whether tastes wander, where the history says when votes were cast.
    """

    name, logits = "hierarchical_bradley_terry", True
    style: FeatureMaker = staticmethod(AnswerStyle.of)
    describe: Callable[[Dataset], KnownAnswers] | None = None
    initial = HierarchicalSettings()

    def __init__(
        self,
        settings: HierarchicalSettings | None = None,
        features: FeatureMaker | None = None,
        drift: bool = False,
    ) -> None:
        self.settings = self.start = settings or self.initial
        self.features, self.drift = features, drift
        self.covariance: np.ndarray | None = None
        self.query_centre: np.ndarray | None = None
        self.model_centre: np.ndarray | None = None
        self._last: tuple[Dataset, Posterior] | None = None

    def fit(self, data: Dataset) -> Self:
        """Learn S from the TRAIN votes, and choose settings by the log loss of the VALID votes."""
        with threadpool_limits(1):  # many small solves: threads cost more than they give
            return self._fit(data)

    def _fit(self, data: Dataset) -> Self:
        table = data.table
        train, valid = (np.flatnonzero(table.split == code) for code in (TRAIN, VALID))
        keys, _ = QueryKeys.of(table).distinct()
        self.query_centre, self.model_centre = _mean(data.vectors[keys.query]), _mean(data.model_vectors)
        self.covariance, self._last = None, None
        self.settings = replace(self.settings, half_life=self.start.half_life)
        history, asked, questions = data.select(train), table.select(valid), data.questions(valid)
        votes = votes_of(asked)
        read = self.read(history)
        choosing = len(read.past) > 0 and len(votes) > 0
        best, chosen = np.inf, None

        def attempt(settings: HierarchicalSettings) -> None:
            nonlocal best, chosen
            prior = self.prior(history, read, settings)
            shared, covariance = settle(prior, read.past, read.people, LEARNING_ROUNDS, learn=True)
            choices = [settings]
            if choosing:
                choices = [replace(settings, memory=m, spread=s, style=t) for m, s, t in self.choices()]
            posterior = Posterior(settings, covariance, shared, read.past, read.features, read.answers)
            for choice, scores in zip(choices, posterior.under(choices, data, questions), strict=True):
                loss = _losses(scores, asked, votes).mean() if choosing else np.inf
                if loss < best or self.covariance is None:
                    best, self.settings, self.covariance = loss, choice, covariance
                    chosen = replace(posterior, settings=choice)

        for cells in tried(CELLS, self.start.cells) if choosing else (self.settings.cells,):
            attempt(replace(self.settings, cells=cells))
        if self.drift and choosing and chosen and not np.isnan(table.timestamp).any():
            lives = [chosen, *(chosen.wandering(life) for life in HALF_LIVES)]
            losses = [_losses(one.score(data, questions), asked, votes) for one in lives]
            at = int(np.argmin([one.mean() for one in losses]))
            gain = losses[0] - losses[at]
            if gain.mean() > 2 * gain.std() / np.sqrt(len(gain)):  # several lives were tried on the same votes
                self.settings = lives[at].settings
        return self

    def choices(self) -> Iterable[tuple[float, float, float]]:
        """Return the (memory, spread, style) that `fit` tries."""
        start = self.start
        return product(tried(MEMORIES, start.memory), tried(SPREADS, start.spread), tried(STYLES, start.style))

    def condition(self, history: Dataset) -> Posterior:
        """Fit f and every person to the visible votes, given S and the settings.

        What comes back answers a question in about a millisecond, for as long as the history stays the same.
        """
        read = self.read(history)
        with threadpool_limits(1):
            shared, _ = settle(self.prior(history, read, self.settings), read.past, read.people, ROUNDS)
        return Posterior(self.settings, read.people, shared, read.past, read.features, read.answers)

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates given the visible votes; who has none gets what is best for all."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self.condition(history)
        return self._last[1].score(history, questions)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as numbers."""
        found = {"covariance": self.covariance, "query_centre": self.query_centre, "model_centre": self.model_centre}
        return {name: value for name, value in found.items() if value is not None} | self.settings.to_arrays()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned; `features` must be those it was fitted with."""
        self.settings, self._last = HierarchicalSettings.from_arrays(state), None
        self.covariance, self.query_centre, self.model_centre = (
            state.get(name) for name in ("covariance", "query_centre", "model_centre")
        )
        return self

    def read(self, history: Dataset) -> Reading:
        """Read what a history says before anything is fitted."""
        makers: list[FeatureMaker] = [self.style, *([self.features] if self.features else [])]
        features = tuple(make(history) for make in makers)
        if self.query_centre is None:
            keys, _ = QueryKeys.of(history.table).distinct()
            centre = _mean(history.vectors[keys.query])
        else:
            centre = self.query_centre
        past = Past.read(history, features, centre, self.settings.half_life)
        return Reading(past, features, self.people(history), self.describe(history) if self.describe else None)

    def _kernels(self, history: Dataset) -> tuple[np.ndarray, np.ndarray]:
        centre = _mean(history.model_vectors) if self.model_centre is None else self.model_centre
        return model_kernels(history.model_vectors, centre)

    def prior(self, history: Dataset, read: Reading, settings: HierarchicalSettings) -> CellPrior:
        """Return the prior of f over the queries of a history."""
        strengths, answers = self._kernels(history)
        queries, described = read.past.queries, None
        if settings.answer and read.answers is not None:
            everyone = np.tile(np.arange(len(strengths)), (len(queries.keys), 1))
            described = read.answers.at(queries.keys, everyone)
            described = described.reshape(-1, described.shape[2])
        return CellPrior(queries, strengths, answers, settings.base, settings.cells, described, settings.answer)

    def people(self, history: Dataset) -> np.ndarray:
        """Return the (M + 2, M + 2) S over the models of a history, told from their texts where not learned."""
        settings, strengths = self.settings, self._kernels(history)[0]
        own = settings.liking * strengths
        start = block_diag(own, np.diag([settings.side, settings.reliability]))
        return start if self.covariance is None else extended(self.covariance, start)


@dataclass(frozen=True, eq=False)
class Reading:
    """Hold what a history says before anything is fitted."""

    past: Past
    features: tuple[CandidateFeatures, ...]
    people: np.ndarray  # (M + 2, M + 2) S
    answers: KnownAnswers | None


def settle(
    prior: CellPrior, past: Past, covariance: np.ndarray, rounds: int, learn: bool = False
) -> tuple[CellFit, np.ndarray]:
    """Fit f and the people in turn, each given the other.

    Args:
        prior: The prior of f.
        past: The votes.
        covariance: (M + 2, M + 2) S.
        rounds: How often the people are fitted, and then f once more.
        learn: Whether each round renews S by expectation maximisation, drawn towards the S given.

    Returns:
        The fit of f, and S.
    """
    shared, first = fit_cells(prior, past.query, past.a, past.b, past.y), covariance
    everybody = np.unique(past.user)
    for _ in range(rounds if len(past) else 0):
        shift = shared.differences(past.query, past.a, past.b)
        scale, offset, total = np.ones(len(past)), np.zeros(len(past)), np.zeros_like(covariance)
        for _, index in past.people(everybody):
            people = People(past, index, shift, covariance)
            kernel = people.linear()
            mean, moments = people.moments(people.solve(kernel), kernel)
            total += moments
            row, slot = np.nonzero(index >= 0)
            at = index[row, slot]
            scale[at] += mean[row, -1]
            offset[at] = mean[row, past.a[at]] - mean[row, past.b[at]] + mean[row, -2]
        if learn:
            covariance = LEARNING_RATE * total / len(everybody) + (1 - LEARNING_RATE) * first
        shared = fit_cells(prior, past.query, past.a, past.b, past.y, scale, offset)
    return shared, covariance


class AnswerAwareBradleyTerry(HierarchicalBradleyTerry):
    """Extend the hierarchical model by what the visible answers look like and say.

    The worth of an answer to everybody also depends on its features (length, lists, code, nearness
    to the query, principal components of its vector), and a person's liking of style is read from
    the very answer where the history holds it. With `settings.answer` 0 and no answer visible it
    is the model it extends.
    """

    name = "answer_aware_bradley_terry"
    style = staticmethod(lambda history: KnownAnswers.of(history, texts=False))
    describe = staticmethod(KnownAnswers.of)
    initial = HierarchicalSettings(answer=0.1)

    def choices(self) -> Iterable[tuple[float, float, float]]:
        start = self.start
        return product(tried(MEMORIES, start.memory), tried(SPREADS, start.spread), (self.settings.style,))


class CostAwareBradleyTerry(AnswerAwareBradleyTerry):
    """Extend the answer-aware model by how much each person minds what an answer costs.

    Cost joins the features of style, so that taste and thrift are learned from the same votes. Where
    the visible history states no cost it is the model it extends.
    """

    name = "cost_aware_bradley_terry"
    style = staticmethod(
        lambda history: JoinedFeatures((KnownAnswers.of(history, texts=False), CostFeatures.of(history)))
    )


def tried(values: tuple[float, ...], start: float) -> tuple[float, ...]:
    """Return the variances of a term that `fit` tries: 0 alone where it is switched off."""
    return values if start else (0.0,)


def extended(learned: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Carry a learned covariance over to models that it does not know.

    Liking of a new model is, given the liking of the known ones, distributed as under the prior.

    Args:
        learned: (L + 2, L + 2) covariance over the first L models, side and reliability.
        prior: (M + 2, M + 2) covariance over all M models, side and reliability.
    """
    known, models = len(learned) - 2, len(prior) - 2
    if models <= known:
        return learned
    old = np.r_[:known, models : models + 2]
    new = np.arange(known, models)
    among = prior[np.ix_(old, old)]
    among = among + np.diag(np.where(np.diag(among) == 0, 1.0, 0.0))  # what has no variance carries nothing over
    carry = np.linalg.solve(among, prior[np.ix_(old, new)]).T
    out = np.zeros_like(prior)
    out[np.ix_(old, old)] = learned
    out[np.ix_(new, old)] = carry @ learned
    out[np.ix_(old, new)] = out[np.ix_(new, old)].T
    rest = prior[np.ix_(new, new)] - carry @ prior[np.ix_(old, new)]
    out[np.ix_(new, new)] = rest + carry @ learned @ carry.T
    return out


def _mean(vectors: np.ndarray) -> np.ndarray:
    return vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])


def _losses(scores: np.ndarray, table: InteractionTable, votes: Votes) -> np.ndarray:
    """Return the (V,) log losses of the votes of a table, given (C, K) scores of its comparisons."""
    first = table.start[votes.comparison]
    a, b = votes.row_a - first, votes.row_b - first
    return log_losses(scores[votes.comparison, a] - scores[votes.comparison, b], votes.y)
