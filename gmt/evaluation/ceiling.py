"""Bound how often a router that is blind to the user can be right, from votes that several users cast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.evaluation.predictions import ScoredTargets
from gmt.routing.pairwise import votes_of
from gmt.routing.query_keys import QueryKeys


@dataclass(frozen=True, eq=False)
class SharedVotes:
    """Hold the N untied votes on targets whose pair of answers some other user judged too.

    Two votes are on the same pair if they name the same two models on the same query.

    Args:
        comparison: (N,) positions in the table.
        winner, loser: (N,) slots of the two candidates.
        share: (N,) of the other users' votes on the pair, how many were cast like this one.
    """

    comparison: np.ndarray
    winner: np.ndarray
    loser: np.ndarray
    share: np.ndarray

    def __len__(self) -> int:
        return len(self.share)

    @classmethod
    def of(cls, table: InteractionTable, targets: np.ndarray) -> SharedVotes:
        """Find them in a table.

        Args:
            table: All comparisons.
            targets: (C,) positions of the targets; each of their votes meets the votes of others in the table.
        """
        votes = votes_of(table, every=True)
        # A tie sides with neither answer, so it can neither agree nor disagree.
        votes = votes.select(votes.y != 0.5)
        _, query = QueryKeys.of(table).distinct()
        low, high = np.minimum(votes.a, votes.b), np.maximum(votes.a, votes.b)
        models = len(table.models)
        pair = (query[votes.comparison] * models + low) * models + high
        pair = np.unique(pair, return_inverse=True)[1].reshape(-1)
        won = np.where(votes.a == low, votes.y, 1 - votes.y)  # whether the model with the smaller code won
        # A user may have judged a pair twice; neither vote is then a vote of others.
        own = np.unique(np.stack([pair, votes.user], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
        # Votes of others on the same pair: everybody's less one's own.
        others = np.bincount(pair)[pair] - np.bincount(own)[own]
        wins = np.bincount(pair, won)[pair] - np.bincount(own, won)[own]
        kept = np.flatnonzero(np.isin(votes.comparison, targets) & (others > 0))
        share = wins[kept] / others[kept]
        at = votes.comparison[kept]
        a, b, first = votes.row_a[kept] - table.start[at], votes.row_b[kept] - table.start[at], votes.y[kept] == 1
        return cls(at, np.where(first, a, b), np.where(first, b, a), np.where(won[kept] == 1, share, 1 - share))

    def accuracy(self, scored: Sequence[ScoredTargets]) -> dict[str, float] | None:
        """Return the share of these very votes that each router is right in, a vote of several trials by its mean.

        Args:
            scored: Trials of equal shots.

        Returns:
            Router -> accuracy, equal scores being right by half; None where some vote was not scored.
        """
        right: dict[str, np.ndarray] = {}
        count = np.zeros(len(self))
        for one in scored:
            targets = one.trial.targets
            place = np.minimum(np.searchsorted(targets, self.comparison), max(len(targets) - 1, 0))
            asked = np.flatnonzero(targets[place] == self.comparison)
            count[asked] += 1
            row = place[asked]
            for name, scores in one.scores.items():
                gap = scores[row, self.winner[asked]] - scores[row, self.loser[asked]]
                right.setdefault(name, np.zeros(len(self)))[asked] += (1 + np.sign(gap)) / 2
        if not count.all():
            return None
        # The mean over trials comes first, so that a vote weighs the same however often it was drawn.
        return {name: float(np.mean(total / count)) for name, total in right.items()}


def impersonal_ceiling(shared: SharedVotes) -> dict[str, Any] | None:
    """Measure how often users agree with each other where they judged the same pair of answers.

    With A the share of agreement between different users, a router that knew every pair's majority would be right
    in at least A and at most (1 + √(2A - 1)) / 2 of these votes: the first if users were undecided alike on all
    pairs, the second if each pair's split were the same. The bound holds of what is expected and for these votes
    only: of few votes, a blind router may be right in somewhat more, and of others in any number.

    Returns:
        `agreement`, `votes` (votes on targets whose pair another user judged too), `low` and `high`; None where
        no pair was judged twice.
    """
    if not len(shared):
        return None
    return ceiling_of(float(np.mean(shared.share)), len(shared))


def ceiling_of(agreement: float, votes: int) -> dict[str, Any]:
    """Return the bounds of `impersonal_ceiling` for a share of agreement in so many votes."""
    # If every pair splits p to 1 - p, two users agree by A = p² + (1 - p)²; this is its larger root.
    top = (1 + np.sqrt(max(2 * agreement - 1, 0.0))) / 2
    return {"agreement": agreement, "votes": votes, "low": max(agreement, 0.5), "high": float(top)}
