"""Bound how often a router that is blind to the user can be right, from votes that several users cast."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.routing.pairwise import votes_of
from gmt.routing.query_keys import QueryKeys


def impersonal_ceiling(table: InteractionTable, targets: np.ndarray) -> dict[str, Any] | None:
    """Measure how often users agree with each other where they judged the same pair of answers.

    Two votes are on the same pair if they name the same two models on the same query. With A the
    share of agreement between different users over untied votes, a router that knew every
    pair's majority would be right in at least A and at most (1 + √(2A - 1)) / 2 of the votes: the
    first if users were undecided alike on all pairs, the second if each pair's split were the same.

    Args:
        table: All comparisons.
        targets: (C,) positions of the targets; each of their votes meets the votes of others in the table.

    Returns:
        `agreement`, `votes` (votes on targets that somebody else cast too), `low` and `high`; None where
        no pair was judged twice.
    """
    votes = votes_of(table, every=True)
    votes = votes.select(votes.y != 0.5)
    if not len(votes):
        return None
    _, query = QueryKeys.of(table).distinct()
    low, high = np.minimum(votes.a, votes.b), np.maximum(votes.a, votes.b)
    models = len(table.models)
    pair = (query[votes.comparison] * models + low) * models + high
    _, pair = np.unique(pair, return_inverse=True)
    pair = pair.reshape(-1)
    won = np.where(votes.a == low, votes.y, 1 - votes.y)  # whether the model with the smaller code won
    own = np.unique(np.stack([pair, votes.user], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    # Votes of others on the same pair: everybody's less one's own.
    others = np.bincount(pair)[pair] - np.bincount(own)[own]
    wins = np.bincount(pair, won)[pair] - np.bincount(own, won)[own]
    shared = np.isin(votes.comparison, targets) & (others > 0)
    if not shared.any():
        return None
    share = wins[shared] / others[shared]
    agreement = float(np.mean(np.where(won[shared] == 1, share, 1 - share)))
    top = (1 + np.sqrt(max(2 * agreement - 1, 0.0))) / 2
    return {"agreement": agreement, "votes": int(shared.sum()), "low": max(agreement, 0.5), "high": float(top)}
