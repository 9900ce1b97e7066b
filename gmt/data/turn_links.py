"""Index a turn graph: which nodes each turn reads and which users it updates, laid out to be pooled without scatter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmt.errors import DataError

SMALL_GROUP = 4096
"""Padded cells (users x longest history) up to which one batch of users is not cut further."""


@dataclass(frozen=True, eq=False)
class UserGroup:
    """Hold B users that about equally many turns update.

    Args:
        users: (B,) user nodes.
        turns: (B, L) the turns that update each, 0 under padding.
        padding: (B, L) true where there is no turn; None where L turns update every user.
    """

    users: Tensor
    turns: Tensor
    padding: Tensor | None


@dataclass(frozen=True, eq=False)
class TurnLinks:
    """Hold the links of V users and T turns.

    Args:
        users: V.
        user, query, response, llm: (T,) the nodes each turn reads.
        precedes: (2, P) turn -> next turn of the same conversation; a turn has one before it at most.
        updates: (2, E) turn -> each user node that it updates.

    Raises:
        DataError: A turn has two turns before it.
    """

    users: int
    user: Tensor
    query: Tensor
    response: Tensor
    llm: Tensor
    precedes: Tensor
    updates: Tensor

    def __post_init__(self) -> None:
        # A turn reads the one before by its place, without a scatter, and a place holds one number.
        if len(self.precedes[1].unique()) < self.precedes.shape[1]:
            raise DataError("a turn has two turns before it; expected one at most")

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def turn_count(self) -> Tensor:
        """(V,) number of turns that update each user node."""
        return torch.bincount(self.updates[1], minlength=self.users)

    @cached_property
    def groups(self) -> list[UserGroup]:
        """Every user node that some turn updates, in groups of similar length so that little is padded."""
        turn, user = self.updates
        by_user = torch.argsort(user, stable=True)
        count = self.turn_count
        begin = torch.cumsum(count, 0) - count
        rank = torch.argsort(count, stable=True)
        # Attention over no turns is not defined; users without any keep the state they have.
        rank = rank[count[rank] > 0]
        groups = []
        # One stable sort by user, then by length: each group's turns are slices of one array.
        for users in torch.split(rank, _group_sizes(count[rank])):
            length = int(count[users[-1]])
            within = torch.arange(length, device=user.device)
            padding = within >= count[users].unsqueeze(1)
            # Padding reads a turn that exists, and is masked where it is attended to.
            place = torch.where(padding, 0, begin[users].unsqueeze(1) + within)
            turns = torch.where(padding, 0, turn[by_user][place])
            groups.append(UserGroup(users, turns, padding if bool(padding.any()) else None))
        return groups


def _group_sizes(lengths: Tensor) -> list[int]:
    """Cut ascending lengths where they have grown by half; a small graph stays whole."""
    values = lengths.tolist()
    if not values or len(values) * values[-1] <= SMALL_GROUP:
        return [len(values)] if values else []
    # Below eight turns padding costs less than another batch does.
    sizes, first = [0], max(values[0], 8)
    for value in values:
        # Half as long again: at most a third of a group's cells is padding.
        if value > 1.5 * first:
            sizes.append(0)
            first = value
        sizes[-1] += 1
    return [size for size in sizes if size]
