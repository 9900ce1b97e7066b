"""Find conversations that repeat one another word for word, so that none is both trained on and tested."""

from __future__ import annotations

import numpy as np

from gmt.data.interactions import InteractionTable

ODD = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)
"""Multipliers that spread bits (Steele, Lea & Flood 2014, SplitMix64)."""


def first_occurrences(table: InteractionTable) -> np.ndarray:
    """Return (conversations,) the first conversation in the table that each repeats; itself, where it repeats none.

    A repeat is the same user's, has the same queries in the same turns, shows the same models with the same answers in
    the same order, and ends in the same ratings and remarks; where times are stated, at the same time. Conversations
    in which nothing is rated repeat nothing.
    """
    found = np.arange(len(table.conversations))
    if not len(table):
        return found
    # 1. A hash of every row, of every comparison and of every conversation, each with its place in the next.
    place = np.arange(len(table.model)) - np.repeat(table.start[:-1], np.diff(table.start))
    # The place counts, for the order in which answers were shown is part of what was said.
    rows = _mixed(place, table.model, table.response, table.feedback, _bits(table.rating))
    of_rows = np.zeros(len(table), np.uint64)
    np.add.at(of_rows, table.row_comparison, rows)
    rounds = _mixed(of_rows, table.user, table.turn, table.query, table.task, _bits(table.timestamp))
    talks = np.zeros(len(found), np.uint64)
    np.add.at(talks, table.conversation, rounds)
    # 2. Of rated conversations with one hash, the one that the table names first stands for all.
    rated = np.zeros(len(found), bool)
    rated[table.conversation[table.rated]] = True
    present, first = np.unique(table.conversation, return_index=True)
    order = present[np.argsort(first)]
    order = order[rated[order]]
    _, at, which = np.unique(talks[order], return_index=True, return_inverse=True)
    found[order] = order[at[which.reshape(-1)]]
    return found


def said_again(table: InteractionTable) -> list[str]:
    """Return a note on the comparisons that repeat others, and on those of them that stand in another split."""
    first = first_occurrences(table)
    again = first[table.conversation] != table.conversation
    if not again.any():
        return []
    split = np.zeros(len(first), np.int8)
    split[table.conversation] = table.split
    apart = int((table.split != split[first[table.conversation]]).sum())
    where = f", {apart} of them in another split than the source's first one" if apart else ", each in the same split"
    return [f"{int(again.sum())} comparisons repeat others word for word{where}"]


def _mixed(*columns: np.ndarray) -> np.ndarray:
    """Return 64 bits that equal columns share, and others do not but by a chance of one in 10^19."""
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        # SplitMix64's finaliser after each column, so that a change of any bit reaches all bits of the hash.
        found = (found ^ column.astype(np.int64, copy=False).view(np.uint64)) * ODD[0]
        found = (found ^ (found >> np.uint64(30))) * ODD[1]
        found = (found ^ (found >> np.uint64(27))) * ODD[2]
        found ^= found >> np.uint64(31)
    return found


def _bits(values: np.ndarray) -> np.ndarray:
    """Return numbers as bits, all NaN alike and both zeros too."""
    # A number that no rating or time takes stands for NaN; adding 0.0 turns -0.0 into 0.0.
    known = np.where(np.isnan(values), -1e300, values + 0.0)
    return np.ascontiguousarray(known, np.float64).view(np.int64)
