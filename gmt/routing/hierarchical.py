"""Route by a hierarchical Bayesian model: the worth of every answer for all, and what each person likes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, VALID
from gmt.routing.cells import CellFit, CellPrior, QueryKeys, centred, model_kernels
from gmt.routing.people import Past, People
from gmt.routing.posterior import HierarchicalSettings, Posterior, read_past, settle, shifts
from gmt.routing.style import AnswerStyle, CandidateFeatures, FeatureMaker
from gmt.routing.votes import log_loss, votes_of

CELLS, MEMORIES, SPREADS, STYLES = (0.15, 0.3, 1.0, 2.0), (0.0, 1.0, 3.0), (0.5, 1.0), (0.0, 0.05)
LEARNING_ROUNDS, ROUNDS = 6, 3


class HierarchicalBradleyTerry:
    """Rank models by the worth of their answers and by what the asking person's votes say they like.

    logit P(a ≻ b) = (1 + ρ_u) (f_qa - f_qb) + (e_a - e_b)ᵀ θ_u + π_u + memory + style. f shares
    strength between queries and models by their texts; (θ, π, ρ) of a person is normal with a
    covariance S learned from everybody; memory counts a person's votes on similar queries more.
    π, the pull to the answer shown left, explains votes and is left out of scores. Comparisons of
    more than two candidates are read as all their pairs; a rating given to a lone candidate is not
    read, for nothing says what it is compared with.

    Args:
        settings: The variances; `fit` replaces those it chooses.
        features: Builds more features of candidates from the visible history; a person's liking of
            them has the variance `settings.extra`.
    """

    name = "hierarchical_bradley_terry"

    def __init__(self, settings: HierarchicalSettings | None = None, features: FeatureMaker | None = None) -> None:
        self.settings = settings or HierarchicalSettings()
        self.features = features
        self.covariance: np.ndarray | None = None
        self.query_centre: np.ndarray | None = None
        self.model_centre: np.ndarray | None = None
        self._last: tuple[Dataset, Posterior] | None = None

    def fit(self, data: Dataset) -> Self:
        """Learn S from the TRAIN votes, and choose settings by the log loss of the VALID votes."""
        train, valid = (np.flatnonzero(data.table.split == code) for code in (TRAIN, VALID))
        self.covariance, self._last = None, None
        keys, _ = QueryKeys.of(data.table).distinct()
        self.query_centre = _centre(data.vectors[keys.query])
        self.model_centre = _centre(data.model_vectors)
        history, features = self._read(data.select(train))
        start, choices = self._covariance(history), []
        choose = len(train) and len(votes_of(data.table.select(valid)))
        for cells in CELLS if choose else (self.settings.cells,):
            settings = replace(self.settings, cells=cells)
            past = read_past(history, features, self.query_centre)
            shared, covariance = settle(self._prior(history, past, settings), past, start, LEARNING_ROUNDS, learn=True)
            if choose:
                asked = data.select(valid)
                choices += [
                    (loss, chosen, covariance)
                    for loss, chosen in _validate(settings, covariance, shared, past, features, data, asked)
                ]
            else:
                choices = [(0.0, settings, covariance)]
        _, self.settings, self.covariance = min(choices, key=lambda choice: choice[0])
        return self
