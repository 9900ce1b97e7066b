"""Cut the test part of new users or new models into pools of shots and targets."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.evaluation.trial import Trial, some_targets


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
    # Whole conversations, for a round of the pool must not show the conversation of a target.
    half = len(conversations) // 2
    targets = rated[np.isin(table.conversation[rated], conversations[half:])]
    return _drawn(table, conversations[:half], positions), targets


def user_trials(
    table: InteractionTable, train: np.ndarray, scored: np.ndarray, shots: Sequence[int], draws: int, seed: int
) -> list[Trial]:
    """Halve each new user's conversations; show the first rated comparisons of each pool."""
    _check(shots)
    users = np.unique(table.user[scored & table.rated])
    out = []
    for draw in range(draws):
        halves = []
        for user in users:
            # By name, so that another user in the data changes nobody's halves; and not by `hash`, which differs
            # between processes.
            rng = np.random.default_rng([seed, draw, crc32(table.users[user].encode())])
            halves.append(_halve(table, np.flatnonzero(scored & (table.user == user)), rng))
        targets = some_targets(np.sort(np.concatenate([targets for _, targets in halves] or [train[:0]])), "test")
        for k in shots:
            shown, short = [train], 0
            for pool, _ in halves:
                rated = table.rated[pool]
                # Rated rounds before each one: unrated rounds up to the k-th vote are shown with it, as a router would
                # have seen them.
                before = np.cumsum(rated) - rated
                shown.append(pool[before < k])
                short += int(rated.sum() < k)
            out.append(Trial(int(k), draw, np.sort(np.concatenate(shown)), targets, short).check(table))
    return out


def model_trials(
    table: InteractionTable, train: np.ndarray, scored: np.ndarray, shots: Sequence[int], draws: int, seed: int
) -> list[Trial]:
    """Halve the conversations that show a model unknown to train and valid; show some per model."""
    _check(shots)
    new = np.ones(len(table.models), dtype=bool)
    # New is what no comparison outside of the scored part shows, whatever the pool of models says.
    new[table.model[~scored[table.row_comparison]]] = False
    shows = new[table.candidates] & table.mask  # (C, K)
    positions = np.flatnonzero(scored & shows.any(axis=1))
    out = []
    for draw in range(draws):
        pool, targets = _halve(table, positions, np.random.default_rng([seed, draw]))
        some_targets(targets, "test")
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
    # An unrated comparison is shown and uses up no shot, as for new users.
    if wanted and rated:
        counts[models] += 1
    return wanted


def _check(shots: Sequence[int]) -> None:
    if not len(shots) or min(shots) < 0 or len(set(shots)) < len(shots):
        found = ", ".join(map(str, shots)) or "none"
        raise DataError(f"shots are {found}; expected different numbers from 0, e.g. 0,5,20")
