"""Measure the log loss of pairs of answers that one person rated alone, from results that stand.

Usage: python -m gmt.studies.lone_losses RESULTS.json [RESULTS.json …] --out FOLDER [--seed 0]

RESULTS are those of `gmt eval`, one for each seed, their predictions beside them. Every two answers that a person rated
alone and not alike are a pair; its win probability is the sigmoid of the difference of the scores, at temperature 1
where these are log odds and at the one fitted to VALID's votes elsewhere, 1 where there is none. `gmt eval` prints no
log loss of lone ratings, for a rating alone is no outcome of two answers; pairs of them are (`LonePairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.evaluation.controls import OWNERS_SHUFFLED, UNKNOWN_USER
from gmt.evaluation.intervals import DRAWS, Estimates, resamples
from gmt.evaluation.lone_metrics import LoneScores
from gmt.evaluation.predictions import ORACLE, blocks_of
from gmt.evaluation.results import Result
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.report.markdown import interval_cell, table
from gmt.routing.pairwise import log_losses
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import write

LOG_ODDS = ("gmt", OWNERS_SHUFFLED, UNKNOWN_USER, "hierarchical_bradley_terry")
"""Routers whose score differences are log odds by construction."""


def pair_losses(block: ScoreBlock, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (P,) the names of the users and (P,) the log losses of all pairs of their lone ratings."""
    names, code = np.unique(block.users, return_inverse=True)
    lone = LoneScores.of(block.scores, block.ratings, code.reshape(-1))
    users, losses = [], []
    for user in np.unique(lone.who).tolist():
        score, rating = lone.score[lone.who == user], lone.rating[lone.who == user]
        a, b = np.triu_indices(len(score), 1)
        a, b = a[rating[a] != rating[b]], b[rating[a] != rating[b]]
        found = log_losses((score[a] - score[b]) / temperature, (rating[a] > rating[b]).astype(float))
        users.append(np.repeat(names[user], len(found)))
        losses.append(found)
    return np.concatenate([np.zeros(0, str), *users]), np.concatenate([np.zeros(0), *losses])


def measure(paths: Sequence[Path], seed: int) -> dict[str, Any]:
    """Return router -> log loss with its 95 % interval over users, joint over results, and gmt's differences."""
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in paths:
        result = Result.read(path)
        facts = result.summary["temperatures"], result.summary["rating_range"]
        (blocks,) = blocks_of(result.predictions, *facts).values()
        for name, (block,) in blocks.items():
            temperature = 1.0 if name in LOG_ODDS else block.temperature or 1.0
            if name != ORACLE:
                pairs.setdefault(name, []).append(pair_losses(block, temperature))
    names, weights = resamples([users for users, _ in pairs["gmt"]], seed, DRAWS)
    losses = {name: _mean(one, names, weights) for name, one in pairs.items()}
    found = Estimates({name: {"log_loss": values} for name, values in losses.items()}, len(names))
    routers = {name: found.interval(name, "log_loss") for name in losses}
    gaps = {f"gmt - {name}": found.difference("gmt", name, "log_loss") for name in losses if name != "gmt"}
    return {name: None if one is None else one.to_json() for name, one in (routers | gaps).items()}


def _mean(found: Sequence[tuple[np.ndarray, np.ndarray]], names: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B,) means over the pairs of all results, users and losses of each, under (B, U) weights of users."""
    code = np.searchsorted(names, np.concatenate([users for users, _ in found]))
    total = np.bincount(code, np.concatenate([losses for _, losses in found]), len(names))
    count = np.bincount(code, minlength=len(names))
    return (weights @ total) / np.maximum(weights @ count, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the results together and write the table."""
    parser = study_parser(__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = measure(chosen.results, chosen.seed)
    rows = {name: [interval_cell(one, "+" if name.startswith("gmt - ") else "")] for name, one in found.items()}
    write(chosen.out, "lone-losses", found, table("pairs of lone ratings", ["log loss"], rows))


if __name__ == "__main__":
    run_study(main)
