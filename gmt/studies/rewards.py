"""Count what the choices of routers earn where every reward is known, and lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from data_prep.simulate.cost import CostTruth
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.evaluation.results import report
from gmt.evaluation.shares import Share, bootstrap_shares
from gmt.hybrid.gmt_router import GmtRouter
from gmt.report.markdown import interval_cell, table
from gmt.routing.pairwise import choices
from gmt.studies.harness import block, targets_of

READ_PAIRS = (
    *("bradley_terry", "user_bradley_terry", "knn", "user_elo", "low_rank", "matrix_factorisation"),
    *("factorisation_machine", "graph_router", "hierarchical_bradley_terry"),
)
"""Rivals that read all pairs of nine answers; of full feedback they see so few comparisons that there are at most
`PAIRS_AT_MOST` pairs, and `PAIRS_EACH` of each user on average."""
PAIRS_AT_MOST, PAIRS_EACH = 40_000, 800

Rewards = dict[str, list[Share]]


def earn(rewards: Rewards, data: Dataset, scores: Mapping[str, np.ndarray], seed: int) -> None:
    """Add what the choices of every router earned on the TEST comparisons of one seed."""
    for name, found in scores.items():
        one = block(data, found, f"{seed}:")
        earned, _, counted = choices(one.scores, one.ratings)
        # Back on the scale of rewards: ratings are rewards brought to [0, 1].
        low, high = one.scale
        share = Share(one.users[counted], low + (high - low) * earned, np.ones(len(counted)))
        rewards.setdefault(name, []).append(share)


def compared(rewards: Rewards) -> dict[str, Any]:
    """Return every router's mean reward with its interval over people, and gmt's paired differences."""
    shares = {name: {"reward": Share.joined(parts)} for name, parts in rewards.items()}
    return report(bootstrap_shares(shares), "gmt")


def oracle_scores(data: Dataset) -> np.ndarray:
    """Return the ratings of the TEST comparisons as scores."""
    # An answer without a rating cannot be the best known one.
    ratings = data.table.ratings[targets_of(data)]
    return np.where(np.isnan(ratings), -np.inf, ratings)


def rank_correlation(router: GmtRouter, data: Dataset, truth: CostTruth) -> float | None:
    """Return the rank correlation of inferred and true weights over users, None where the router has none."""
    # The last weight is that of a cold-start user, and has no true one.
    found = router.quality_weights(data.select(data.table.split == TRAIN))
    if found is None:
        return None
    true = np.array([truth.alpha[name] for name in data.table.users])
    return float(spearmanr(found[:-1], true)[0])  # pyright: ignore[reportArgumentType, reportIndexIssue]


def thinned(data: Dataset) -> Dataset:
    """Return the data with fewer known comparisons, as `READ_PAIRS` says."""
    table = data.table
    known = np.flatnonzero(table.split != TEST)
    # Counted in pairs, as these rivals read them: a comparison of nine is thirty-six.
    count = np.diff(table.start)[known]
    most = min(PAIRS_AT_MOST, PAIRS_EACH * len(table.users))
    share = most / max(float((count * (count - 1) / 2).sum()), 1.0)
    if share >= 1:
        return data
    # One cut whatever the seed of the study, so that all these rivals learn from the same comparisons.
    kept = np.random.default_rng(0).random(len(known)) < share
    return data.select(np.sort(np.concatenate([known[kept], np.flatnonzero(table.split == TEST)])))


def reward_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out rewards, routers by settings, then gmt less each."""
    return _metric_table(found, "reward", "reward", "**gmt**")


def auc_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out AUC, routers by settings, then gmt less each."""
    return _metric_table(found, "auc", "AUC", "`gmt`")


def _metric_table(found: Mapping[str, Mapping[str, Any]], metric: str, head: str, ours: str) -> str:
    names = list(next(iter(found.values()))["routers"])
    rows = {
        ours if name == "gmt" else f"`{name}`": [
            interval_cell(one["routers"].get(name, {}).get(metric)) for one in found.values()
        ]
        for name in names
    }
    for name in (name for name in names if name != "gmt"):
        gaps = [one["differences"].get(f"gmt - {name}", {}).get(metric) for one in found.values()]
        rows[f"gmt − `{name}`"] = [interval_cell(gap, "+") for gap in gaps]
    return table(head, list(found), rows)
