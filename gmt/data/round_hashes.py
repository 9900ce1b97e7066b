"""Tell rounds apart by a number each, the same in every table, so that a run can say which rounds it was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from gmt.data.interactions import InteractionTable

FACTOR, SHIFT = np.uint64(0xBF58476D1CE4E5B9), np.uint64(31)


def round_hashes(table: InteractionTable) -> np.ndarray:
    """Return (C,) 64-bit hashes of user, conversation, turn, query, and each answer's model and rating.

    Two of ten million different rounds share one by a chance of one in 400,000. The order of answers does not count,
    nor do numbers that a table gives out itself.
    """
    talk, query = _of_names(table.conversations, table.conversation), _of_names(table.texts, table.query)
    return _joined(owner_hashes(table), talk, table.turn.astype(np.uint64), query, _answers(table))


def owner_hashes(table: InteractionTable) -> np.ndarray:
    """Return (C,) 64-bit hashes of the names of the users whose rounds these are."""
    return _of_names(table.users, table.user)


def owner_hash(user: str) -> int:
    """Return the hash of one user's name, as `owner_hashes` gives it."""
    return int(_of_names([user], np.zeros(1, np.int64))[0])


def content_hashes(table: InteractionTable) -> np.ndarray:
    """Return (C,) 64-bit hashes of turn, query, time, and each answer's model and rating: of all but the names.

    Users and conversations do not count, so the rounds of a user who was given another name keep them.
    """
    query = _of_names(table.texts, table.query)
    time = np.where(np.isnan(table.timestamp), -1.0, table.timestamp).view(np.uint64)
    return _joined(query, table.turn.astype(np.uint64), _mixed(time), _answers(table))


def _answers(table: InteractionTable) -> np.ndarray:
    """Return (C,) hashes of the models shown and their ratings, whatever their order."""
    model = _of_names(table.models, table.model)
    # A rating read from text may differ in the last bit from one that was computed.
    # Adding 0 turns -0.0, whose bits differ, into 0.0.
    rating = np.where(np.isnan(table.rating), -1.0, table.rating).astype(np.float32) + np.float32(0)
    answers = _mixed(model ^ _mixed(rating.view(np.uint32).astype(np.uint64) + np.uint64(1)))
    shown = np.zeros(len(table), np.uint64)
    # A sum, for the order of answers must not count.
    np.add.at(shown, table.row_comparison, answers)
    return shown


def _joined(first: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    found = _mixed(first)
    for part in parts:
        found = _mixed(found ^ part) + part
    return _mixed(found)


def _of_names(names: Sequence[str], codes: np.ndarray) -> np.ndarray:
    """Return the hashes of those names that the codes stand for; others are not read."""
    used, place = np.unique(codes, return_inverse=True)
    hashes = np.zeros(len(used), np.uint64)
    for number, code in enumerate(map(int, used)):
        digest = hashlib.blake2b(names[code].encode("utf-8", "surrogatepass"), digest_size=8).digest()
        hashes[number] = int.from_bytes(digest, "little")
    return hashes[place.reshape(-1)]


def _mixed(values: np.ndarray) -> np.ndarray:
    """Let a difference in any bit change all of them; sums and products wrap around."""
    values = (values ^ (values >> SHIFT)) * FACTOR
    return values ^ (values >> SHIFT)
