"""Compare routers on users who weigh quality against cost, under full and ever less feedback."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.cost import CostSettings
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.data.interactions import TEST
from gmt.rivals.registry import make_router
from gmt.studies.harness import fit, score_targets, write
from gmt.studies.personalized_data import NINE, THOUSAND, WHOLE, Extent, config_of, cost_users
from gmt.studies.rewards import (
    READ_PAIRS,
    Rewards,
    compared,
    earn,
    oracle_scores,
    rank_correlation,
    reward_table,
    thinned,
)

PARTIAL = (
    "random",
    "best_single",
    "model_mean",
    "user_mean",
    "user_task_mean",
    "ridge",
    "boosted_trees",
    "bradley_terry",
)
"""Rivals that stand beside gmt under other feedback of 1,000 users than pairs."""


def compare(
    matrix: ScoreMatrix,
    settings: CostSettings,
    seeds: Sequence[int],
    rivals: Sequence[str],
    config: str,
    extent: Extent = WHOLE,
) -> dict[str, Any]:
    """Return every router's reward on the test questions over seeds, gmt's paired differences, and times."""
    rewards: Rewards = {}
    seconds: dict[str, list[float]] = {}
    alphas = []
    for seed in seeds:
        # 1. The truth is read for the oracle and for the correlation only; no router gets it.
        data, truth = cost_users(matrix, settings, seed, extent)
        learn, scores = data.select(data.table.split != TEST), {"oracle": oracle_scores(data)}
        # 2. gmt, fitted as `gmt train` would.
        started = time.monotonic()
        gmt, _ = fit(data, config_of(config, seed))
        seconds.setdefault("gmt", []).append(time.monotonic() - started)
        scores |= score_targets(data, {"gmt": gmt})
        alphas.append(rank_correlation(gmt, data, truth))
        # 3. Rivals; those that read all pairs see a part of them, or nine rewards a question would be millions of
        #    pairs.
        for name in rivals:
            started = time.monotonic()
            router = make_router(name, seed).fit(thinned(learn) if name in READ_PAIRS else learn)
            shown = data if name not in READ_PAIRS else thinned(data)
            scores |= score_targets(shown, {name: router})
            seconds.setdefault(name, []).append(time.monotonic() - started)
            print(f"seed {seed} {settings.feedback} {name}: {seconds[name][-1]:.0f} s", flush=True)
        earn(rewards, data, scores, seed)
    return {
        "seeds": list(seeds),
        "settings": vars(extent.of(settings)),
        "alpha": alphas,
        "seconds": {name: float(np.median(values)) for name, values in seconds.items()},
        **compared(rewards),
    }


def nine(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE) -> None:
    """Nine users, full feedback on all training questions."""
    found = {"nine users, full feedback": compare(matrix, NINE, seeds, rivals, "personalized_9", extent)}
    write(out, "nine", found, reward_table(found))


def thousand(
    matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE
) -> None:
    """1,000 users, thirty questions each, and less and less feedback."""
    found: dict[str, dict[str, Any]] = {}
    # All rivals stand in the table of pairs alone: other feedback is no food for most of them.
    for feedback in extent.feedback:
        settings = replace(THOUSAND, feedback=feedback)
        some = rivals if feedback == "pair" else [name for name in rivals if name in PARTIAL]
        found[feedback] = compare(matrix, settings, seeds, some, "personalized_1000", extent)
        alphas = {key: one["alpha"] for key, one in found.items()}
        # Written after each form, for one takes hours.
        write(out, "thousand", found, f"{reward_table(found)}\nRank correlation of inferred and true α: {alphas}\n")
        print(f"thousand {feedback} done", flush=True)
