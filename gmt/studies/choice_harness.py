"""Fit the routers whose choices are measured, score all models with them, and show what came of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.evaluation.intervals import Estimates, Interval
from gmt.evaluation.shares import Share
from gmt.evaluation.top_choice import with_all_models
from gmt.hybrid.gmt_router import GmtRouter
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.report.markdown import interval_cell
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.training.learn_traits import learn_traits

RIVALS = ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry", "best_single", "random")


def fitted_posterior(data: Dataset, seed: int, traits: bool = True) -> HierarchicalBradleyTerry:
    """Return the default router's closed-form half, with learned traits where validation lets them join."""
    # TEST is taken away before anything is fitted, so that no part can have seen it.
    learn = data.select(data.table.split != TEST)
    posterior = AnswerAwareBradleyTerry().fit(learn)
    if traits:
        posterior, note = learn_traits(posterior, learn, RunConfig(seed=seed))
        print(f"seed {seed}: {note}", file=sys.stderr, flush=True)
    return posterior


def fitted_routers(data: Dataset, seed: int) -> list[RoutingMethod]:
    """Return gmt (posterior and traits, no graph network) and its rivals, fitted."""
    learn = data.select(data.table.split != TEST)
    rivals = [make_router(name, seed).fit(learn) for name in RIVALS]
    # Without its graph network, which would have to be trained anew for each of the many populations.
    return [GmtRouter(fitted_posterior(data, seed), None, 0.0), *rivals]


def scores_of_all(data: Dataset, router: RoutingMethod, positions: np.ndarray) -> np.ndarray:
    """Return (C, M) scores of all models for the comparisons at `positions`, TRAIN visible."""
    questions = with_all_models(data.questions(positions), len(data.table.models))
    # All models and not those shown: the better of two is no choice, and the choice of one model is what a router is
    # for.
    return router.score(data.select(data.table.split == TRAIN), questions)


def joined_shares(parts: Sequence[Mapping[str, Mapping[str, Share]]]) -> dict[str, dict[str, Share]]:
    """Pool router -> metric -> share over seeds."""
    return {
        name: {metric: Share.joined([part[name][metric] for part in parts]) for metric in parts[0][name]}
        for name in parts[0]
    }


def shown(interval: Interval | None, sign: str = "", digits: int = 3) -> str:
    """Write a value with its interval, or a dash."""
    return interval_cell(None if interval is None else interval.to_json(), sign, digits)


def measures(found: Estimates) -> dict[str, Any]:
    """Return router -> metric -> value, interval and standard error."""
    out: dict[str, Any] = {}
    for name, metrics in found.samples.items():
        for metric in metrics:
            if (interval := found.interval(name, metric)) is not None:
                card = interval.to_json() | {"standard_error": found.error(name, metric)}
                out.setdefault(name, {})[metric] = card
    return out


def dots(found: Estimates, names: Sequence[str], metrics: Sequence[str], heads: Mapping[str, str]) -> dict[str, Any]:
    """Return what `draw_dots` takes: routers with their intervals, a panel per metric."""

    def cell(name: str, metric: str) -> dict[str, Any] | None:
        interval = found.interval(name, metric)
        return None if interval is None else interval.to_json()

    panels = [{"axis": heads[metric], "rows": {name: cell(name, metric) for name in names}} for metric in metrics]
    return {"panels": panels, "columns": len(metrics)}
