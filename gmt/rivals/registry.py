"""Offer the simple rivals every table prints: chance, means, the best single model, nearest questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.errors import ConfigError
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.rivals.bradley_terry import BradleyTerry, UserBradleyTerry
from gmt.rivals.cascades import Cascade, QualityGap
from gmt.rivals.contrastive import DualContrastive
from gmt.rivals.elo import UserElo
from gmt.rivals.factor_models import FactorisationMachine, LowRank, MatrixFactorisation
from gmt.rivals.model_means import model_means
from gmt.rivals.propagation import GraphPropagation
from gmt.rivals.supervised import BoostedTrees, Ridge, UserTaskMean
from gmt.routing.pairwise import fit_temperature, log_loss, votes_of
from gmt.routing.protocol import RoutingMethod

USER_SMOOTHING = (1.0, 3.0, 10.0, 30.0)
NEIGHBOURS, OWN_WEIGHTS, NEIGHBOUR_SMOOTHING = (5, 20, 80, 320), (1.0, 4.0, 16.0), 3.0
SIMILARITIES_AT_ONCE, ROUNDING = 8_000_000, 1e-5


def user_means(table: InteractionTable, smoothing: float) -> np.ndarray:
    """Return (U + 1, M) each user's mean ratings drawn towards the model's; the last row is nobody's."""
    users, models = len(table.users) + 1, len(table.models)
    rated = ~np.isnan(table.rating)
    cell = table.user[table.row_comparison[rated]] * models + table.model[rated]
    counts = np.bincount(cell, minlength=users * models).reshape(users, models)
    sums = np.bincount(cell, table.rating[rated], users * models).reshape(users, models)
    return (sums + smoothing * model_means(table)) / (counts + smoothing)


def validation_loss(router: RoutingMethod, data: Dataset) -> float:
    """Return the log loss of VALID votes scored from TRAIN history, at the best temperature.

    Infinite where there is nothing to validate on.
    """
    train, valid = (np.flatnonzero(data.table.split == code) for code in (TRAIN, VALID))
    if not len(train) or not len(valid):
        return float("inf")
    asked = data.table.select(valid)
    votes, candidates = votes_of(asked), asked.candidates
    scores = np.zeros((len(valid), len(data.table.models)))
    of, slot = np.nonzero(candidates >= 0)
    scores[of, candidates[of, slot]] = router.score(data.select(train), data.questions(valid))[of, slot]
    difference = scores[votes.comparison, votes.a] - scores[votes.comparison, votes.b]
    temperature = fit_temperature(difference, votes.y)
    return log_loss(difference, votes.y, temperature or 1.0) if len(votes) else float("inf")


def _mix(values: np.ndarray) -> np.ndarray:
    """Scramble uint64 numbers so that neighbours look unrelated.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Random:
    """Score by chance, fixed by the seed, the comparison's id and the model.

    Args:
        seed: Chooses the chance.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, data: Dataset) -> Self:
        """Learn nothing."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score every candidate uniformly in [0, 1), whatever else is asked beside it."""
        golden = np.uint64(0x9E3779B97F4A7C15)
        with np.errstate(over="ignore"):
            state = _mix(questions.comparison.astype(np.uint64) + golden * np.uint64(self.seed + 1))[:, None]
            state = _mix(state + golden * (questions.candidates + 2).astype(np.uint64))
        chance = (state >> np.uint64(11)).astype(float) / 2**53
        return np.where(questions.candidates >= 0, chance, -np.inf)


class ModelMean:
    """Score a model by its mean visible rating, the same for everybody."""

    name = "model_mean"

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the means come from the visible history."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by smoothed mean rating."""
        means = model_means(history.table)
        return np.where(questions.candidates >= 0, means[questions.candidates], -np.inf)


class BestSingle:
    """Always choose the model with the highest mean visible rating; all others are one."""

    name = "best_single"

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the best model is read off the visible history."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score the best model 1 and every other 0."""
        best = int(np.argmax(model_means(history.table))) if len(history.table.models) else 0
        return np.where(questions.candidates >= 0, (questions.candidates == best).astype(float), -np.inf)


class UserMean:
    """Score a model by the asking user's own mean rating of it, drawn towards everybody's.

    Args:
        smoothing: How many ratings everybody's mean counts for; `fit` replaces it by the best on VALID.
    """

    name = "user_mean"

    def __init__(self, smoothing: float = 3.0) -> None:
        self.smoothing = smoothing

    def fit(self, data: Dataset) -> Self:
        """Choose the smoothing by the log loss of the VALID votes."""
        losses = [validation_loss(UserMean(smoothing), data) for smoothing in USER_SMOOTHING]
        if np.isfinite(losses).any():
            self.smoothing = USER_SMOOTHING[int(np.argmin(losses))]
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by the asker's smoothed means; a stranger gets everybody's."""
        means = user_means(history.table, self.smoothing)[questions.user]
        read = np.take_along_axis(means, np.maximum(questions.candidates, 0), axis=1)
        return np.where(questions.candidates >= 0, read, -np.inf)


class NearestQuestions:
    """Score a model by its ratings on the most similar past questions, the asker's own counting more.

    Args:
        neighbours: How many past ratings of each candidate are read.
        own_weight: How many times the similarity of the asker's own ratings counts.

    `fit` replaces both by the best on VALID.
    """

    name = "knn"

    def __init__(self, neighbours: int = 20, own_weight: float = 4.0) -> None:
        self.neighbours, self.own_weight = neighbours, own_weight

    def fit(self, data: Dataset) -> Self:
        """Choose both settings by the log loss of the VALID votes."""
        grid = [(neighbours, weight) for neighbours in NEIGHBOURS for weight in OWN_WEIGHTS]
        losses = [validation_loss(NearestQuestions(*settings), data) for settings in grid]
        if np.isfinite(losses).any():
            self.neighbours, self.own_weight = grid[int(np.argmin(losses))]
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by similarity-weighted mean rating, drawn towards the model's mean."""
        table, means = history.table, model_means(history.table)
        scores = np.where(questions.candidates >= 0, means[questions.candidates], -np.inf)
        for model in np.unique(questions.candidates[questions.candidates >= 0]):
            rows = np.flatnonzero((table.model == model) & ~np.isnan(table.rating))
            asked, slots = np.nonzero(questions.candidates == model)
            batch = max(1, SIMILARITIES_AT_ONCE // max(len(rows), 1))
            for start in range(0, len(asked) if len(rows) else 0, batch):
                part = slice(start, start + batch)
                sums, weights = self._gather(history, rows, questions.select(asked[part]))
                drawn = (sums + NEIGHBOUR_SMOOTHING * means[model]) / (weights + NEIGHBOUR_SMOOTHING)
                scores[asked[part], slots[part]] = drawn
        return scores

    def _gather(self, history: Dataset, rows: np.ndarray, asked: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return (C,) weighted sums of the nearest ratings among `rows`, and (C,) sums of the weights."""
        table, of = history.table, history.table.row_comparison[rows]
        similarity = history.vectors[asked.query] @ history.vectors[table.query[of]].T
        weight = np.maximum(similarity, 0.0).astype(float)
        weight *= np.where(asked.user[:, None] == table.user[of], self.own_weight, 1.0)
        if self.neighbours < len(rows):
            # Those as near as the last neighbour share its place, or rounding would choose among them.
            last = -np.partition(-weight, self.neighbours - 1, axis=1)[:, self.neighbours - 1 : self.neighbours]
            nearer, equal = weight > last + ROUNDING, np.abs(weight - last) <= ROUNDING
            free = self.neighbours - nearer.sum(axis=1, keepdims=True)
            weight *= nearer + equal * free / equal.sum(axis=1, keepdims=True)
        return weight @ table.rating[rows], weight.sum(axis=1)


RIVALS: dict[str, Callable[[int], RoutingMethod]] = {
    "random": lambda seed: Random(seed),
    "best_single": lambda seed: BestSingle(),
    "model_mean": lambda seed: ModelMean(),
    "bradley_terry": lambda seed: BradleyTerry(),
    "user_mean": lambda seed: UserMean(),
    "user_bradley_terry": lambda seed: UserBradleyTerry(),
    "knn": lambda seed: NearestQuestions(),
    "user_elo": lambda seed: UserElo(),
    "low_rank": lambda seed: LowRank(),
    "matrix_factorisation": lambda seed: MatrixFactorisation(),
    "factorisation_machine": lambda seed: FactorisationMachine(),
    "user_task_mean": lambda seed: UserTaskMean(),
    "ridge": lambda seed: Ridge(),
    "boosted_trees": lambda seed: BoostedTrees(seed),
    "dual_contrastive": lambda seed: DualContrastive(seed),
    "cascade": lambda seed: Cascade(),
    "quality_gap": lambda seed: QualityGap(),
    "graph_router": lambda seed: GraphPropagation(),
    "hierarchical_bradley_terry": lambda seed: HierarchicalBradleyTerry(),
}


def make_router(name: str, seed: int = 0) -> RoutingMethod:
    """Return an unfitted rival by name.

    Raises:
        ConfigError: There is no such rival.
    """
    if name not in RIVALS:
        raise ConfigError(f"there is no baseline {name!r}; expected one of {', '.join(RIVALS)}")
    return RIVALS[name](seed)
