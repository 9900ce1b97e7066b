"""Hold one trial of an evaluation: what is visible, and what is scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

ALL = "all"


@dataclass(frozen=True, eq=False)
class Trial:
    """Hold one cut of a table into what is visible and what is scored.

    Args:
        shots: Rated comparisons shown per new user or model, or "all" where the protocol has none.
        draw: Number of the halving into pool and targets.
        history: (H,) positions of the visible comparisons, ascending.
        targets: (C,) positions of the comparisons scored, ascending; all carry a rating.
        short: How many new users (or models) had fewer shots in their pool than `shots`.

    Raises:
        DataError: A target is visible, stands twice, or has a visible round at or after its turn.
    """

    shots: str | int
    draw: int
    history: np.ndarray
    targets: np.ndarray
    short: int = 0

    def __post_init__(self) -> None:
        if len(np.intersect1d(self.history, self.targets)):
            raise DataError("a comparison is both visible and a target; history and targets must be disjoint")
        # Twice in one trial would weigh twice in every metric, without a word.
        if len(np.unique(self.targets)) < len(self.targets):
            raise DataError("a comparison stands twice among the targets of one trial; list every target once")

    def check(self, table: InteractionTable) -> Trial:
        """Return itself once no visible round of a target's conversation is at or after its turn."""
        # Apart from the constructor, which sees no table; the latest visible turn of each conversation is enough to
        # know.
        latest = np.full(len(table.conversations), -1, dtype=np.int64)
        np.maximum.at(latest, table.conversation[self.history], table.turn[self.history])
        if (latest[table.conversation[self.targets]] >= table.turn[self.targets]).any():
            raise DataError("a round at or after a target's turn is visible; keep conversations whole on one side")
        return self


def some_targets(targets: np.ndarray, where: str) -> np.ndarray:
    """Return the targets.

    Raises:
        DataError: There are none.
    """
    if not len(targets):
        raise DataError(f"{where} holds no rated comparison to score; prepare more data or another split")
    return targets
