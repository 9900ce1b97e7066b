"""Work out paired gains, calibration and each person's gain from the predictions beside results files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from gmt.errors import DataError
from gmt.evaluation.intervals import LEAST_USERS, resamples
from gmt.evaluation.metrics import LEAST_PAIRS, pairs_of
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.results import Result
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap
from gmt.report.gain_curves import FIRST
from gmt.report.result_values import shots_of

Blocks = dict[str, dict[str, list[ScoreBlock]]]
"""Shots -> router -> its blocks, over draws and splits."""
METRICS = ("auc", "accuracy", "log_loss")
BINS, DRAWS = 8, 400


def blocks_of_files(paths: Iterable[Path], routers: Sequence[str] | None = None) -> Blocks:
    """Read the predictions of results files of one protocol, one file for each split.

    Args:
        paths: Results files; their predictions lie beside them.
        routers: Which to keep; all by default.
    """
    joined: Blocks = {}
    for path in paths:
        result = Result.read(path)
        facts = result.summary
        temperatures, scale = facts.get("temperatures", {}), facts.get("rating_range", (0.0, 1.0))
        for shots, found in blocks_of(result.predictions, temperatures, scale).items():
            for name, blocks in found.items():
                if routers is None or name in routers:
                    joined.setdefault(shots, {}).setdefault(name, []).extend(blocks)
    return joined


def gains_over(blocks: Blocks, over: str, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return shots -> router -> metric -> its paired gain over a reference, with the interval over people.

    A gain in log loss is turned, so that more is better for every metric.

    Raises:
        DataError: The reference was not measured.
    """
    gains: dict[str, dict[str, Any]] = {}
    for shots in shots_of({"shots": blocks}):
        found = blocks[shots]
        if over not in found:
            raise DataError(f"{over} was not measured; run gmt eval with --baselines {over} or all")
        # On the same resamples of the people: what a hard person costs both routers cancels.
        estimates = bootstrap(found, seed, DRAWS)
        gains[shots] = {name: {} for name in found if name != over}
        for name, cells in gains[shots].items():
            for metric in METRICS:
                first, second = (over, name) if metric == "log_loss" else (name, over)
                gain = estimates.difference(first, second, metric)
                cells[metric] = None if gain is None else _rounded(gain.to_json(estimates.has_ends(metric)))
    return gains


def gain_routers(there: Iterable[str], over: str) -> list[str]:
    """Return which of the routers measured are worth a line in a figure of gains, the reference last."""
    there = list(there)
    return [*(name for name in FIRST if name in there and name != over), over]


def calibration_of(blocks: Mapping[str, Sequence[ScoreBlock]], routers: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """Return router -> bins of promised and observed wins of the favourite of every pair, bins of equal counts."""
    return {name: _bins(blocks[name], seed) for name in routers if blocks[name][0].temperature is not None}


def _bins(blocks: Sequence[ScoreBlock], seed: int) -> list[dict[str, Any]]:
    promised, won, users = [], [], []
    for block in blocks:
        pairs = pairs_of(block.ratings)
        logit = pairs.differences(block.scores) / (block.temperature or 1.0)
        # The favourite is who is promised more than a half; at exactly a half either is.
        promised.append(expit(np.abs(logit)))
        won.append((1 + np.sign(logit)) / 2)
        users.append(block.users[pairs.comparison])
    chance, right, who = map(np.concatenate, (promised, won, users))
    if not len(chance):
        return []
    names, weights = resamples([who], seed, DRAWS)
    place = np.searchsorted(names, who)
    edges = np.unique(np.quantile(chance, np.arange(1, BINS) / BINS))
    at = np.searchsorted(edges, chance, side="right")
    bins = []
    for number in np.unique(at):
        own = at == number
        counted = weights @ np.bincount(place[own], minlength=len(names))
        share = weights @ np.bincount(place[own], right[own], len(names)) / np.maximum(counted, 1e-9)
        drawn = share[1:][counted[1:] > 0]
        # Few people say nothing of others, so the bin has no interval then.
        known = len(np.unique(place[own])) >= LEAST_USERS and len(drawn) > 0
        low, high = np.quantile(drawn, [0.025, 0.975]) if known else (share[0], share[0])
        cell = {"promised": chance[own].mean(), "won": share[0], "low": low, "high": high}
        bins.append({**_rounded({key: float(value) for key, value in cell.items()}), "pairs": int(own.sum())})
    return bins


def user_gains_of(
    blocks: Mapping[str, Sequence[ScoreBlock]], router: str, over: str, least: int = LEAST_PAIRS
) -> list[dict[str, Any]]:
    """Return what every person gains in log loss a pair, by a normal interval over their own pairs; nobody is named.

    Args:
        blocks: Router -> blocks; of one split, for a pair that two splits ask would count as two.
        router, over: Both need a temperature, for a log loss needs promises.
        least: Pairs that a person must have to be shown.
    """
    gains: dict[str, list[float]] = {}
    for ours, theirs in zip(blocks[router], blocks[over], strict=True):
        if ours.temperature is None or theirs.temperature is None:
            return []
        pairs = pairs_of(ours.ratings)
        lost = [np.logaddexp(0, -pairs.differences(one.scores) / one.temperature) for one in (ours, theirs)]
        for user, gain in zip(ours.users[pairs.comparison], lost[1] - lost[0], strict=True):
            gains.setdefault(str(user), []).append(float(gain))
    out = []
    for values in gains.values():
        if len(values) < least:
            continue
        mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
        cell = {"gain": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error}
        out.append({**_rounded(cell), "pairs": len(values)})
    # Sorted, so that the order of the file says nothing of who is who.
    return sorted(out, key=lambda one: one["gain"])


def _rounded(cell: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return numbers to five digits: what a figure shows, in a file that can be read and compared."""
    return {key: None if value is None else round(value, 5) for key, value in cell.items()}
