"""Ask a router with somebody else's history, and with none: what a gain keeps under these is not personal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable
from gmt.routing.protocol import RoutingMethod

OWNERS_SHUFFLED, UNKNOWN_USER = "owners_shuffled", "unknown_user"
SIMPLE_CONTROLS = ("constant", "best_single", "random")
"""Rivals of the registry that stand beside the two in every table."""
SIMILAR = 8
"""So many users with the most similar numbers of visible rounds exchange their histories among themselves."""


class OwnersShuffled:
    """Answer every user as if the history of another user were theirs.

    Answer quality and how users vary stay as fitted to everybody, for the history as a whole is the same; only whose
    votes are taken for whose changes.

    Args:
        router: The fitted router.
        seed: Chooses who gets whose history.
    """

    name = OWNERS_SHUFFLED

    def __init__(self, router: RoutingMethod, seed: int = 0) -> None:
        self.router, self.seed = router, seed

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the router is fitted."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates as the router does for the users whose histories are handed over."""
        # One place more, for code -1, an unknown user, reads the last one and stays unknown.
        owners = np.append(shuffled_owners(history.table, self.seed), -1)
        return self.router.score(history, replace(questions, user=owners[questions.user]))


class UnknownUser:
    """Answer every user as the router answers somebody of whom nothing is known: its impersonal part.

    Args:
        router: The fitted router.
    """

    name = UNKNOWN_USER

    def __init__(self, router: RoutingMethod) -> None:
        self.router = router

    def fit(self, data: Dataset) -> Self:
        """Learn nothing: the router is fitted."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates for an unknown user."""
        return self.router.score(history, replace(questions, user=np.full(len(questions), -1)))


def shuffled_owners(table: InteractionTable, seed: int) -> np.ndarray:
    """Draw a derangement of the users among those with similar numbers of visible rounds.

    Args:
        table: The visible history.
        seed: Chooses the derangement.

    Returns:
        (U,) for each user the one whose history is handed over, never the user; -1 for users without any round, and
        where nobody else has one.
    """
    rng, rounds = np.random.default_rng(seed), np.bincount(table.user, minlength=len(table.users))
    # Chance decides among equals, so that the order of names does not.
    order = np.lexsort((rng.random(len(rounds)), rounds))
    order = order[rounds[order] > 0]
    owners = np.full(len(rounds), -1, dtype=np.int64)
    if len(order) < 2:
        return owners
    # A remainder of one could not be deranged, so that the last group takes it in.
    edges = [*range(0, len(order) - 1, SIMILAR)]
    for start, stop in zip(edges, [*edges[1:], len(order)], strict=True):
        group = order[start:stop]
        # A turn of the group by less than a full one moves everybody.
        owners[group] = np.roll(group, int(rng.integers(1, len(group))))
    return owners


def with_controls(routers: Sequence[RoutingMethod], reference: str, seed: int) -> list[RoutingMethod]:
    """Return the routers with the reference's two controls behind it; unchanged where the reference is not there."""
    out: list[RoutingMethod] = []
    for router in routers:
        out.append(router)
        if router.name == reference:
            out += [OwnersShuffled(router, seed), UnknownUser(router)]
    return out
