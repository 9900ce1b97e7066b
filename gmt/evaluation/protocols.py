"""Cut a table into trials, for every protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmt.data.interactions import SPLITS, TRAIN, VALID, InteractionTable
from gmt.errors import DataError
from gmt.evaluation.shots import model_trials, user_trials
from gmt.evaluation.trial import ALL, Trial, some_targets

DEFAULT_SHOTS = {"new-users": (0, 1, 2, 5, 10, 20), "new-models": (0, 5, 20, 50)}


def trials(
    table: InteractionTable,
    protocol: str,
    split: str = "test",
    shots: Sequence[int] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> list[Trial]:
    """Return every trial of a protocol; TRAIN is visible in all of them, other splits only as shots.

    Args:
        table: The comparisons, split by that protocol.
        protocol: seen, new-questions and drift score everything in one trial; so does any protocol
            on valid. new-users and new-models score half of their test part at each number of shots.
        split: Which split is scored, "test" or "valid".
        shots: Numbers of shots; the protocol's own by default.
        draws: How many halvings into pool and targets.
        seed: Chooses the halvings.

    Raises:
        DataError: The split is not known or holds nothing to score.
    """
    if split not in SPLITS[1:]:
        raise DataError(f"split is {split!r}; expected test or valid")
    train, scored = np.flatnonzero(table.split == TRAIN), table.split == SPLITS.index(split)
    # VALID is for choosing settings, which needs one number and no curve over shots.
    if split == SPLITS[VALID] or protocol not in DEFAULT_SHOTS:
        return [Trial(ALL, 0, train, some_targets(np.flatnonzero(scored & table.rated), split)).check(table)]
    chosen = DEFAULT_SHOTS[protocol] if shots is None else shots
    if protocol == "new-users":
        return user_trials(table, train, scored, chosen, draws, seed)
    return model_trials(table, train, scored, chosen, draws, seed)


def foreign_trials(
    table: InteractionTable,
    known: np.ndarray,
    foreign: np.ndarray,
    shots: Sequence[int] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> list[Trial]:
    """Return trials on data other than the run's own, by users the run has not met.

    Args:
        table: The run's comparisons and the foreign ones in one table.
        known: Positions of the run's own; of these TRAIN is visible and nothing is scored.
        foreign: Positions of the others; their split is ignored, and of users who own a known
            comparison none is scored or shown.
        shots, draws, seed: As in `trials`; the shots of new-users by default.

    Raises:
        DataError: The run has met every user.
    """
    known, foreign = _positions(known), _positions(foreign)
    # Whoever is met anywhere in the run's own data, also in its TEST, is no new user of it.
    met = np.isin(table.user, table.user[known])
    scored = np.zeros(len(table), dtype=bool)
    scored[foreign] = True
    if not (scored & ~met).any():
        raise DataError("the run has met every user of this data; evaluate on data with new users, or on the run's own")
    train = np.sort(known[table.split[known] == TRAIN])
    chosen = DEFAULT_SHOTS["new-users"] if shots is None else shots
    return user_trials(table, train, scored & ~met, chosen, draws, seed)


def _positions(which: np.ndarray) -> np.ndarray:
    which = np.asarray(which)
    # Masks and positions look alike to numpy's indexing, and are not: a mask of 0 and 1 read as positions would pick
    # the first two.
    return np.flatnonzero(which) if which.dtype == bool else which.astype(np.int64)
