"""Cut the votes of a history by conversation, and say what answer quality is without each part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.posterior.alternating_fit import ROUNDS, alternating_fit
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.conversation_reading import ReadQueries

FOLDS = 5
"""Parts that the conversations are cut into; each is held out once."""


@dataclass(frozen=True, eq=False)
class Folds:
    """Hold the TRAIN votes cut by conversation, and what f says of them when fitted without each fold.

    Args:
        votes: The votes.
        fold: (V,) the fold of each.
        offset: (FOLDS, V) differences of f fitted without the fold.
        queries: The queries of all comparisons, as the posterior reads them.
        conversation_scale: g_c of the posterior's kernel.
    """

    votes: VoteHistory
    fold: np.ndarray
    offset: np.ndarray
    queries: ReadQueries
    conversation_scale: float = 0.0


def folds_of(table: InteractionTable, generator: np.random.Generator) -> np.ndarray:
    """Return (C,) one of `FOLDS` folds of every comparison, the same within a conversation."""
    # By conversation: votes of one share texts, and would predict one another across folds.
    return generator.permutation(np.arange(len(table.conversations)) % FOLDS)[table.conversation]


def fold_votes(router: HierarchicalBradleyTerry, train: Dataset, generator: np.random.Generator) -> Folds:
    """Cut the TRAIN votes of a fitted posterior by conversation, and fit f without each fold."""
    prepared = router.prepare(train)
    votes, prior = prepared.votes, router.prior(train, prepared, router.settings)
    fold = folds_of(train.table, generator)[votes.comparison]
    offsets = []
    # Fitted anew without each fold, or f would already hold the votes that the traits are to explain.
    for part in range(FOLDS):
        quality, _, _ = alternating_fit(prior, votes.select(fold != part), prepared.user_covariance, ROUNDS)
        offsets.append(quality.differences(votes.query, votes.a, votes.b))
    read = router.settings.reading.read(train, train.table)
    return Folds(votes, fold, np.stack(offsets), read, router.settings.conversation_scale)
