"""Let one router score targets, with no rating of a target within its reach."""

from __future__ import annotations

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID
from gmt.errors import DataError
from gmt.evaluation.metrics import pairs_of
from gmt.routing.pairwise import fit_temperature
from gmt.routing.protocol import RoutingMethod


def score_targets(
    data: Dataset, router: RoutingMethod, history: Dataset, targets: np.ndarray, reveal: bool = False
) -> np.ndarray:
    """Return (C, K) scores of the targets, checked.

    Args:
        data: All comparisons.
        router: A fitted router.
        history: What is visible.
        targets: (C,) positions in `data`.
        reveal: Show the ratings of earlier rounds of the targets' conversations.

    Raises:
        DataError: The router's scores do not fit the questions.
    """
    scores = np.full((len(targets), data.table.candidates.shape[1]), -np.inf)
    # With ratings revealed, turns are scored one after the other: the rounds shown with a question
    # must not hold the rating of another target scored beside it.
    turns = data.table.turn[targets]
    for turn in np.unique(turns) if reveal else [None]:
        part = np.flatnonzero(turns == turn) if turn is not None else np.arange(len(targets))
        questions = data.questions(targets[part], reveal_earlier=reveal)
        given, offered = router.score(history, questions), questions.mask
        if given.shape != offered.shape or not np.isfinite(given[offered]).all():
            raise DataError(
                f"{router.name} gave {given.shape} scores, {int((~np.isfinite(given)).sum())} not finite, for "
                f"{offered.shape} slots of {int(offered.sum())} candidates; give each a finite score"
            )
        # The questions of one turn may have fewer candidates than the widest target; the rest stays -inf.
        scores[part, : given.shape[1]] = np.where(offered, given, -np.inf)
    return scores


class ValidTargets:
    """Fit temperatures on VALID, scored with TRAIN visible; the history is cut once for all routers.

    Args:
        data: All comparisons.
        reveal: As of `score_targets`.
    """

    def __init__(self, data: Dataset, reveal: bool = False) -> None:
        self.data, self.reveal = data, reveal
        self.positions = np.flatnonzero(data.table.rated & (data.table.split == VALID))
        # A router that is conditioned on a history keeps it while the very same one is shown again.
        self.history = data.select(np.flatnonzero(data.table.split == TRAIN))

    def temperature(self, router: RoutingMethod) -> float | None:
        """Fit what the router's score differences are divided by for win probabilities; None without VALID votes."""
        if not len(self.positions):
            return None
        scores = score_targets(self.data, router, self.history, self.positions, self.reveal)
        differences = pairs_of(self.data.table.ratings[self.positions]).differences(scores)
        # Where all candidates score alike, every temperature promises one half.
        return 1.0 if len(differences) and not differences.any() else fit_temperature(differences)
