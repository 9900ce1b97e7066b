"""Draw the comparisons that settings are chosen on where a data set holds more than a search needs."""

from __future__ import annotations

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.routing.pairwise import ALL_PAIRS_UP_TO

SEARCH_VOTES = 60_000
"""Votes up to which a search reads all of them."""
SEARCH_VOTES_OF_USER = 3_000
"""Votes of one user beyond which a search reads so many of theirs."""
STREAM = 1777
"""Seed of the draw: one data set has one sample, whichever router asks for it."""


def search_sample(data: Dataset) -> Dataset:
    """Return whole users' comparisons, with `SEARCH_VOTES` votes at most; all of them where there are no more.

    Users are drawn, not comparisons, for a search must see histories as long as they are. Of a user with more than
    `SEARCH_VOTES_OF_USER` about that many are drawn, by conversation. Splits stay as they are, and so do the codes of
    users, models and texts. What is found is a property of the population (variances, S, traits), for which a sample
    of it serves; the posterior is conditioned on everything afterwards.
    """
    table, weight = data.table, votes_on(data.table)
    count = np.bincount(table.user, weight, len(table.users))
    if count.sum() <= SEARCH_VOTES and count.max(initial=0) <= SEARCH_VOTES_OF_USER:
        return data
    generator = np.random.default_rng(STREAM)
    keep = _within_users(table, weight, count, generator)
    # 1. Users one after another in an order drawn by chance, until the sample is full; the first is always taken.
    order = generator.permutation(np.flatnonzero(count))
    taken = np.cumsum(np.bincount(table.user, weight * keep, len(table.users))[order]) <= SEARCH_VOTES
    taken[:1] = True
    chosen = np.zeros(len(table.users), bool)
    chosen[order[taken]] = True
    # 2. A mask keeps the table's order.
    return data.select(keep & chosen[table.user])


def votes_on(table: InteractionTable) -> np.ndarray:
    """Return (C,) how many votes each comparison is read as, 1 where a lone answer is rated."""
    rated = np.bincount(table.row_comparison[~np.isnan(table.rating)], minlength=len(table))
    pairs = np.where(rated > ALL_PAIRS_UP_TO, 3 * rated, rated * (rated - 1) // 2)
    return np.maximum(pairs, rated > 0).astype(float)


def _within_users(
    table: InteractionTable, weight: np.ndarray, count: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return (C,) false for what is left out of users with too many votes, given (C,) and (U,) votes."""
    keep = np.ones(len(table), bool)
    for user in np.flatnonzero(count > SEARCH_VOTES_OF_USER).tolist():
        own = table.of_user(user)
        # Whole conversations, or a vote and what was said before it would be told apart.
        code = np.unique(table.conversation[own], return_inverse=True)[1].reshape(-1)
        size = np.bincount(code, weight[own])
        order = generator.permutation(len(size))
        left_out = order[np.cumsum(size[order]) > SEARCH_VOTES_OF_USER]
        keep[own[np.isin(code, left_out)]] = False
    return keep
