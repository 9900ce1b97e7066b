"""Cut a table into trials: which comparisons are visible and which are asked, for every protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from gmt.data.interactions import SPLITS, TRAIN, VALID, InteractionTable
from gmt.errors import DataError

ALL = "all"
DEFAULT_SHOTS = {"new-users": (0, 1, 2, 5, 10, 20), "new-models": (0, 5, 20, 50)}


@dataclass(frozen=True, eq=False)
class Trial:
    """Hold one round of asking.

    Args:
        shots: Rated comparisons shown per new user or model, or "all" where the protocol has none.
        draw: Number of the halving into pool and targets.
        history: (H,) positions of the visible comparisons, ascending.
        targets: (C,) positions of the comparisons asked, ascending; all carry a rating.
        short: How many new users (or models) had fewer shots in their pool than `shots`.

    Raises:
        DataError: A target is visible, stands twice, or has a visible round at or after its turn.
    """

    shots: str | int
    draw: int
    history: np.ndarray
    targets: np.ndarray
    short: int = 0

    def __post_init__(self) -> None:
        if len(np.intersect1d(self.history, self.targets)):
            raise DataError("a comparison is both visible and asked; history and targets must be disjoint")
        if len(np.unique(self.targets)) < len(self.targets):
            raise DataError("a comparison is asked twice in one trial; list every target once")

    def check(self, table: InteractionTable) -> Trial:
        """Return itself once no visible round of a target's conversation is at or after its turn."""
        latest = np.full(len(table.conversations), -1, dtype=np.int64)
        np.maximum.at(latest, table.conversation[self.history], table.turn[self.history])
        if (latest[table.conversation[self.targets]] >= table.turn[self.targets]).any():
            raise DataError("a round at or after a target's turn is visible; keep conversations whole on one side")
        return self


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
        protocol: seen, new-questions and drift ask everything in one trial; so does any protocol
            on valid. new-users and new-models ask half of their test part at each number of shots.
        split: Which split is asked, "test" or "valid".
        shots: Numbers of shots; the protocol's own by default.
        draws: How many halvings into pool and targets.
        seed: Chooses the halvings.

    Raises:
        DataError: The split is not known or holds nothing to ask.
    """
    if split not in SPLITS[1:]:
        raise DataError(f"split is {split!r}; expected test or valid")
    train, asked = np.flatnonzero(table.split == TRAIN), table.split == SPLITS.index(split)
    if split == SPLITS[VALID] or protocol not in DEFAULT_SHOTS:
        return [Trial(ALL, 0, train, _some(np.flatnonzero(asked & table.rated), split)).check(table)]
    chosen = DEFAULT_SHOTS[protocol] if shots is None else shots
    if protocol == "new-users":
        return _user_trials(table, train, asked, chosen, draws, seed)
    return _model_trials(table, train, asked, chosen, draws, seed)


def foreign_trials(
    table: InteractionTable,
    known: np.ndarray,
    foreign: np.ndarray,
    shots: Sequence[int] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> list[Trial]:
    """Return trials on data other than the run's own, by people the run has not met.

    Args:
        table: The run's comparisons and the foreign ones in one table.
        known: Positions of the run's own; of these TRAIN is visible and nothing is asked.
        foreign: Positions of the others; their split is ignored, and of people who own a known
            comparison none is asked or shown.
        shots, draws, seed: As in `trials`; the shots of new-users by default.

    Raises:
        DataError: The run has met every user.
    """
    known, foreign = _positions(known), _positions(foreign)
    met = np.isin(table.user, table.user[known])
    asked = np.zeros(len(table), dtype=bool)
    asked[foreign] = True
    if not (asked & ~met).any():
        raise DataError("the run has met every user of this data; evaluate on data with new users, or on the run's own")
    train = np.sort(known[table.split[known] == TRAIN])
    chosen = DEFAULT_SHOTS["new-users"] if shots is None else shots
    return _user_trials(table, train, asked & ~met, chosen, draws, seed)


def _positions(which: np.ndarray) -> np.ndarray:
    which = np.asarray(which)
    return np.flatnonzero(which) if which.dtype == bool else which.astype(np.int64)


def _check_shots(shots: Sequence[int]) -> None:
    if not len(shots) or min(shots) < 0 or len(set(shots)) < len(shots):
        found = ", ".join(map(str, shots)) or "none"
        raise DataError(f"shots are {found}; expected different numbers from 0, e.g. 0,5,20")


def _some(targets: np.ndarray, where: str) -> np.ndarray:
    if not len(targets):
        raise DataError(f"{where} holds no rated comparison to ask; prepare more data or another split")
    return targets


def _drawn(table: InteractionTable, conversations: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Order `positions` by the drawn order of their conversations, then by turn."""
    place = np.full(len(table.conversations), -1, dtype=np.int64)
    place[conversations] = np.arange(len(conversations))
    inside = positions[place[table.conversation[positions]] >= 0]
    return inside[np.lexsort((inside, table.turn[inside], place[table.conversation[inside]]))]


def _halve(table: InteractionTable, positions: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Halve the conversations of `positions` that carry a rating; the odd one becomes a target.

    Returns:
        The pool's positions in drawn order, unrated rounds included, and the rated targets.
    """
    rated = positions[table.rated[positions]]
    conversations = rng.permutation(np.unique(table.conversation[rated]))
    half = len(conversations) // 2
    targets = rated[np.isin(table.conversation[rated], conversations[half:])]
    return _drawn(table, conversations[:half], positions), targets


def _user_trials(
    table: InteractionTable, train: np.ndarray, asked: np.ndarray, shots: Sequence[int], draws: int, seed: int
) -> list[Trial]:
    """Halve each new user's conversations; show the first rated comparisons of each pool."""
    _check_shots(shots)
    users = np.unique(table.user[asked & table.rated])
    out = []
    for draw in range(draws):
        halves = []
        for user in users:
            rng = np.random.default_rng([seed, draw, crc32(table.users[user].encode())])
            halves.append(_halve(table, np.flatnonzero(asked & (table.user == user)), rng))
        targets = _some(np.sort(np.concatenate([targets for _, targets in halves] or [train[:0]])), "test")
        for k in shots:
            shown, short = [train], 0
            for pool, _ in halves:
                rated = table.rated[pool]
                before = np.cumsum(rated) - rated
                shown.append(pool[before < k])
                short += int(rated.sum() < k)
            out.append(Trial(int(k), draw, np.sort(np.concatenate(shown)), targets, short).check(table))
    return out


def _model_trials(
    table: InteractionTable, train: np.ndarray, asked: np.ndarray, shots: Sequence[int], draws: int, seed: int
) -> list[Trial]:
    """Halve the conversations that show a model unknown to train and valid; show some per model."""
    _check_shots(shots)
    new = np.ones(len(table.models), dtype=bool)
    new[table.model[~asked[table.row_comparison]]] = False
    shows = new[table.candidates] & (table.candidates >= 0)  # (C, K)
    positions = np.flatnonzero(asked & shows.any(axis=1))
    out = []
    for draw in range(draws):
        pool, targets = _halve(table, positions, np.random.default_rng([seed, draw]))
        _some(targets, "test")
        for k in shots:
            counts = np.zeros(len(table.models), dtype=np.int64)
            shown = [at for at in pool if _take(table.candidates[at][shows[at]], bool(table.rated[at]), counts, k)]
            short = int((counts[np.unique(table.candidates[positions][shows[positions]])] < k).sum())
            history = np.sort(np.concatenate([train, np.asarray(shown, dtype=np.int64)]))
            out.append(Trial(int(k), draw, history, targets, short).check(table))
    return out


def _take(models: np.ndarray, rated: bool, counts: np.ndarray, k: int) -> bool:
    """Count a comparison towards its new models and say whether one of them still needed it."""
    wanted = bool((counts[models] < k).any())
    if wanted and rated:
        counts[models] += 1
    return wanted
