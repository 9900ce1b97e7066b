"""Refuse to measure a run on rounds that it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import content_hashes, round_hashes
from gmt.data.rounds_seen import trained_rounds
from gmt.errors import DataError
from gmt.runs import RunFolder

LEAST_ROUNDS, LEAST_TIMED = 5, 2
"""So many rounds of a user must be those of one trained user; fewer where the rounds state their times."""
SAME = 0.9
"""Share of a user's rounds from which they are taken for another user's under a new name."""


def refuse_trained(run: RunFolder, asked: InteractionTable, folder: Path) -> None:
    """Check that a run saw none of the rounds that it is to be measured on.

    Args:
        run: The run.
        asked: The rounds.
        folder: Where they come from, for the message.

    Raises:
        DataError: It was trained on some; the first one is named.
        RunError: The list of what it was trained on is damaged.
    """
    seen = np.flatnonzero(np.isin(round_hashes(asked), trained_rounds(run).rounds))
    if len(seen):
        first = asked.conversations[asked.conversation[seen[0]]]
        raise DataError(
            f"the run was trained on {len(seen):,} of the {len(asked):,} test rounds of {folder}, e.g. conversation "
            f"{first[:60]!r}, turn {asked.turn[seen[0]]}; measure it on rounds that it has not seen"
        )


def refuse_renamed(run: RunFolder, asked: InteractionTable, folder: Path) -> None:
    """Check that no user whom a run is to be measured on is a trained one under another name.

    Two users may well cast the same vote on the same answers, so single rounds prove nothing. But nine in ten of a
    user's rounds, and five at least (two where times are stated), are not one other user's by chance. Users of fewer
    rounds cannot be told apart.

    Args:
        run, asked, folder: As of `refuse_trained`.

    Raises:
        DataError: One is; they are named.
    """
    known = trained_rounds(run)
    rated = np.flatnonzero(asked.rated)
    if known.owners is None or known.contents is None or not len(rated):
        return
    # 1. Every pair of a round that is asked and a trained user who has one of the same content.
    order = np.argsort(known.contents, kind="stable")
    contents, owners = known.contents[order], known.owners[order]
    content = content_hashes(asked)[rated]
    low, high = (np.searchsorted(contents, content, side) for side in ("left", "right"))
    times = high - low
    which = np.repeat(np.arange(len(rated)), times)
    at = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times) + np.repeat(low, times)
    # 2. How many rounds of each user are those of each trained user.
    pairs = np.unique(np.stack([which.astype(np.uint64), owners[at]], axis=1), axis=0)
    user = asked.user[rated]
    asking = user[pairs[:, 0].astype(np.int64)].astype(np.uint64)
    shared, count = np.unique(np.stack([asking, pairs[:, 1]], axis=1), axis=0, return_counts=True)
    own = np.bincount(user, minlength=len(asked.users))
    untimed = np.bincount(user, np.isnan(asked.timestamp[rated]), len(asked.users))
    for code, rounds in zip(shared[:, 0].astype(np.int64).tolist(), count.tolist(), strict=True):
        least = LEAST_ROUNDS if untimed[code] else LEAST_TIMED
        if rounds >= least and rounds >= SAME * own[code]:
            raise DataError(
                f"{rounds:,} of the {own[code]:,} rated rounds of user {asked.users[code][:60]!r} in {folder} are "
                "those of one user whom the run was trained on, under another name; measure it on users it has not seen"
            )
