"""Score models by products of learned factors: a model's with those of the user, of the query, or of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.bradley_terry import best_variance, strengths
from gmt.rivals.factors import Contexts, FactorProblem, Factors, FactorSettings
from gmt.rivals.rival import Rival, entry
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.kernels import centred
from gmt.routing.one_thread import one_thread
from gmt.routing.pairwise import Votes, votes_of

TEXT_RIDGE = 0.5


class FactorRouter(Rival):
    """Fit strengths and factors anew to whatever history is visible, with settings chosen once on VALID.

    Args:
        settings: Rank and variances; `fit` replaces them by the best of the grid on VALID.
    """

    logits = True
    axes: ClassVar[int]
    default: ClassVar[FactorSettings]
    grid: ClassVar[dict[str, tuple[float, ...]]]
    refined: ClassVar[dict[str, tuple[float, ...]]] = {}
    """What is chosen afterwards, the rest being as the grid found it."""
    read_descriptions: ClassVar[bool] = False

    def __init__(self, settings: FactorSettings | None = None) -> None:
        self.settings = settings or self.default
        self._last: tuple[Dataset, Factors] | None = None

    def choices(self, grid: Mapping[str, tuple[float, ...]]) -> Iterable[FactorSettings]:
        """List the settings of a grid, all others as they stand."""
        for values in product(*grid.values()):
            changes: dict[str, Any] = dict(zip(grid, values, strict=True))
            yield replace(self.settings, **changes)

    def fit(self, data: Dataset) -> Self:
        """Choose the strengths' variance, then rank and variances, by the log loss of the VALID votes."""
        self._last, valid = None, ValidationVotes.of(data)
        self.settings = replace(self.settings, strength=best_variance(valid, self.settings.strength))
        if valid is None or not len(votes_of(valid.history.table)):
            return self
        # Found once for the whole grid: variances scale the columns, but the components stay the same.
        contexts = Contexts.of(valid.history, self.axes, self.settings)

        def losses(settings: FactorSettings) -> np.ndarray:
            found = self._learn(valid.history, replace(contexts, settings=settings))
            return valid.losses(found.score(valid.questions, data.vectors), self.logits)

        # One after the other, for the product of both grids would be many times as many fits.
        for grid in (self.grid, self.refined) if self.refined else (self.grid,):
            self.settings = best_setting(list(self.choices(grid)), losses)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by factors fitted to the visible votes; an unknown user has no own factors."""
        if self._last is None or self._last[0] is not history:
            self._last = history, self._learn(history, Contexts.of(history, self.axes, self.settings))
        return self._last[1].score(questions, history.vectors)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the settings that `fit` chose."""
        return {item.name: np.array(getattr(self.settings, item.name)) for item in fields(self.settings)}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        found = {item.name: entry(state, item.name, self.name).item() for item in fields(self.settings)}
        self.settings, self._last = type(self.settings)(**found), None
        return self

    def _learn(self, history: Dataset, contexts: Contexts) -> Factors:
        table, votes, settings = history.table, votes_of(history.table), contexts.settings
        with one_thread():  # many small products: threads cost more than they give
            features = contexts.features(votes.user, table.query[votes.comparison], history.vectors)
            begin = strengths(votes, len(table.models), settings.strength)
            problem = FactorProblem.of(features, votes, len(table.models), settings)
            found = Factors(contexts, *(problem.solve(begin) if len(votes) else problem.split(problem.start(begin))))
        return _from_descriptions(found, history, votes) if self.read_descriptions else found


def _from_descriptions(found: Factors, history: Dataset, votes: Votes) -> Factors:
    """Give models without a vote what a ridge map from description vectors predicts, learned from the others."""
    models = np.arange(len(history.table.models))
    # Only models with votes teach the map; factors of the others are at their prior mean, 0.
    met = np.isin(models, np.concatenate([votes.a, votes.b]))
    if not met.any() or met.all():
        return found
    unit = centred(history.model_vectors, history.model_vectors[met].mean(axis=0))
    alike = unit @ unit[met].T
    wanted = np.column_stack([found.strength, found.models])
    # In the dual form, (met, met): far fewer models than numbers in a description vector.
    weights = np.linalg.solve(alike[met] + TEXT_RIDGE * np.eye(met.sum()), wanted[met])
    wanted[~met] = alike[~met] @ weights
    return replace(found, strength=wanted[:, 0], models=wanted[:, 1:])


class LowRank(FactorRouter):
    """Rank models by their strength plus the product of the user's factors with the model's.

    Source: Park et al. (arXiv 1507.04457); simplified: ridge on both sides, one joint fit of the visible votes.
    """

    name, axes = "low_rank", 0
    default = FactorSettings(rank=4, user=0.1, query=0.0)
    grid: ClassVar = {"rank": (1, 4, 16), "user": (0.01, 0.03, 0.1, 0.3, 1.0)}


class MatrixFactorisation(FactorRouter):
    """Rank models for a query, the same for everybody: strength plus v_m · W x_q; new models by description.

    Source: RouteLLM (arXiv 2406.18665); simplified: 64 principal components, low rank, no pretraining or judge data.
    """

    name, axes, read_descriptions = "matrix_factorisation", 64, True
    default = FactorSettings(rank=16, user=0.0, query=0.1)
    grid: ClassVar = {"rank": (2, 4, 16), "query": (0.01, 0.03, 0.1, 0.3)}


class FactorisationMachine(FactorRouter):
    """Rank models by a second-order machine over user, model and query; what all candidates share cancels in pairs.

    Source: Rendle, Factorization Machines (2010); simplified: 16 query components, pairwise logistic loss, one L-BFGS.
    """

    name, axes = "factorisation_machine", 16
    default = FactorSettings(rank=16, user=0.03, query=0.1)
    grid: ClassVar = {"rank": (4, 16), "user": (0.003, 0.01, 0.03, 0.1), "query": (0.1, 0.3)}
