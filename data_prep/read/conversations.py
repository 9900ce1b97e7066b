"""Say which conversation each comparison belongs to, which turn of it is its own, and what opened it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from data_prep.read.numbering import Numbering
from gmt.data.comparisons import text_id


def content_name(
    comparison: str | None,
    query: str,
    timestamp: float | None,
    answers: Sequence[tuple[str, str | None, float | None]],
) -> str:
    """Name a conversation of one round by what it holds, so that it keeps its name in another file.

    Args:
        comparison, timestamp: As the row states them.
        query: The `text_id` of the query.
        answers: Model, `text_id` of the response and rating of each candidate.
    """
    return text_id(repr((comparison, query, timestamp, list(answers))))


def conversations_of(
    user: np.ndarray,
    conversation: np.ndarray,
    users: tuple[str, ...],
    named: tuple[str, ...],
    content_of: Callable[[int], str],
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the conversations, and the (C,) conversation of each comparison.

    Args:
        user, conversation: (C,) codes; -1 for a comparison that names no conversation, and so is one of its own.
        users, named: Names that the codes point to.
        content_of: Names a comparison by what it holds.
    """
    # A name that several users gave is told apart by the user.
    pairs = np.unique(np.stack([conversation, user], axis=1), axis=0)
    talks, owners = np.unique(pairs[:, 0], return_counts=True)
    several = set(talks[owners > 1].tolist())
    known: dict[str, int] = {}
    numbering = Numbering()
    codes = np.empty(len(user), np.int64)
    for at, (owner, talk) in enumerate(zip(user.tolist(), conversation.tolist(), strict=True)):
        # Two rounds of equal content get different names, else two votes would become one conversation.
        if talk < 0:
            name = numbering.unique(f"{users[owner]}/{content_of(at)}")
        elif talk in several:
            name = f"{users[owner]}/{named[talk]}"
        else:
            name = named[talk]
        codes[at] = known.setdefault(name, len(known))
    return tuple(known), codes


def turns_of(conversation: np.ndarray, stated: np.ndarray, renumber: bool) -> np.ndarray:
    """Return (C,) turns; comparisons that state none follow one another.

    Args:
        conversation: (C,) conversation of each comparison.
        stated: (C,) turns that rows state, -1 where none is stated.
        renumber: Count the turns of a conversation from 0, in their order.
    """
    following: dict[int, int] = defaultdict(int)
    turns = np.empty(len(conversation), np.int64)
    for at, (talk, turn) in enumerate(zip(conversation.tolist(), stated.tolist(), strict=True)):
        turns[at] = own = following[talk] if turn < 0 else turn
        # A stated turn moves the count on, so that a turn stated nowhere comes after it and not beside it.
        following[talk] = max(following[talk], own + 1)
    if not renumber or not len(turns):
        return turns
    pairs, place = np.unique(np.stack([conversation, turns], axis=1), axis=0, return_inverse=True)
    # `pairs` is sorted by conversation, so a turn's number is its distance from the first of its conversation.
    begins = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return (np.arange(len(pairs)) - begins)[place.reshape(-1)]


def opening_queries(conversation: np.ndarray, turns: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return (C,) the query with which the conversation of each comparison opened."""
    # The position breaks ties of turns: of several comparisons of a first turn, the first in the file opens.
    order = np.lexsort((np.arange(len(turns)), turns, conversation))
    opens = np.ones(len(order), bool)
    opens[1:] = conversation[order[1:]] != conversation[order[:-1]]
    opening = np.empty(int(conversation.max(initial=-1)) + 1, np.int64)
    opening[conversation[order[opens]]] = query[order[opens]]
    return opening[conversation]
