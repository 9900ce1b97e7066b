"""Measure how much a router would lose with fewer rounds of each user, or with fewer users, in its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.evaluation.controls import UnknownUser
from gmt.evaluation.intervals import LEAST_USERS
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap
from gmt.evaluation.score_targets import score_targets
from gmt.evaluation.trial import Trial
from gmt.routing.protocol import RoutingMethod

SHARES = (0.25, 0.5)
"""Shares of each user's conversations that are left visible beside all of them."""
MOST_ROUNDS = 100_000
"""Visible rounds beyond which histories are not conditioned on again."""


def history_curve(
    data: Dataset, router: RoutingMethod, trial: Trial, seed: int, reveal: bool = False, thin: bool = True
) -> dict[str, Any] | None:
    """Ask the same targets with thinner histories; what was fitted stays.

    Args:
        data: All comparisons.
        router: The fitted router.
        trial: What is visible, and the targets.
        seed: Chooses who and what is left out, and the resamples.
        reveal: As of `score_targets`.
        thin: Leave out conversations of every user too, not only users.

    Returns:
        `votes`: a point for each share of every user's conversations, with `rounds` (mean number of visible rated
        rounds of the users asked), `gain` (AUC of the router less that of itself for an unknown user) and `loss` (its
        AUC with all of the history less that with this share); `people`: `users`, and `loss` likewise with half of the
        users; both with paired intervals over users. None where the history is too long, a part of it empty where
        nothing can be left out.
    """
    table, targets = data.table, trial.targets
    if len(trial.history) > MOST_ROUNDS:
        return None
    scores: dict[str, np.ndarray] = {}
    shown: dict[float, np.ndarray] = {1.0: trial.history}
    for share in SHARES if thin else ():
        shown[share] = _thinned(table, trial.history, share, seed)
    # 1. Both are asked of one history before the next, so that each is conditioned on once.
    for share, positions in shown.items():
        history = data.select(positions)
        for name, asked in (("known", router), ("unknown", UnknownUser(router))):
            if name == "known" or thin:
                scores[f"{name} {share}"] = score_targets(data, asked, history, targets, reveal)
    halves = _halves(table, trial.history, seed)
    if halves is not None:
        scores["half of the users"] = _by_halves(data, router, trial, halves, reveal)
    # 2. One bootstrap of all, so that differences are paired.
    users = np.array([table.users[code] for code in table.user[targets].tolist()])
    ratings = table.ratings[targets]
    estimates = bootstrap({name: [ScoreBlock(users, values, ratings)] for name, values in scores.items()}, seed)

    def difference(one: str, other: str) -> dict[str, float | None] | None:
        found = estimates.difference(one, other, "auc")
        return None if found is None else found.to_json(estimates.has_ends("auc"))

    votes: list[Mapping[str, Any]] = [
        {
            "share": share,
            "rounds": _rounds(table, shown[share], targets),
            "gain": difference(f"known {share}", f"unknown {share}"),
            "loss": difference("known 1.0", f"known {share}"),
        }
        for share in sorted(shown)
        if thin
    ]
    people = None
    if halves is not None:
        loss = difference("known 1.0", "half of the users")
        people = {"users": len(np.unique(table.user[trial.history])), "loss": loss}
    return {"votes": votes, "people": people}


def _thinned(table: InteractionTable, history: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Leave a share of every user's conversations, whole; a smaller share is a part of a larger one."""
    talks, first = np.unique(table.conversation[history], return_index=True)
    owner = table.user[history[first]]
    order = np.lexsort((np.random.default_rng(seed).random(len(talks)), owner))
    _, begins, counts = np.unique(owner[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(begins, counts)
    kept = talks[order[place < np.ceil(share * np.repeat(counts, counts))]]
    return history[np.isin(table.conversation[history], kept)]


def _halves(table: InteractionTable, history: np.ndarray, seed: int) -> np.ndarray | None:
    """Return (U,) which half each user is in, None where a half would have too few users to speak of."""
    present = np.unique(table.user[history])
    if len(present) < 2 * LEAST_USERS:
        return None
    half = np.zeros(len(table.users), dtype=bool)
    # Those present are halved evenly; whoever is absent may be asked with either half.
    half[np.random.default_rng([seed, 1]).permutation(present)[::2]] = True
    return half


def _by_halves(data: Dataset, router: RoutingMethod, trial: Trial, half: np.ndarray, reveal: bool) -> np.ndarray:
    """Score every target with the visible rounds of its user's half alone."""
    table, targets = data.table, trial.targets
    scores = np.full((len(targets), table.candidates.shape[1]), -np.inf)
    for side in (False, True):
        inside = np.flatnonzero(half[table.user[targets]] == side)
        if len(inside):
            history = data.select(trial.history[half[table.user[trial.history]] == side])
            scores[inside] = score_targets(data, router, history, targets[inside], reveal)
    return scores


def _rounds(table: InteractionTable, history: np.ndarray, targets: np.ndarray) -> float:
    """Return how many visible rated rounds the users of the targets have on average."""
    counts = np.bincount(table.user[history][table.rated[history]], minlength=len(table.users))
    return float(counts[np.unique(table.user[targets])].mean())
