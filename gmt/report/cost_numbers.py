"""Work out what quality routers get at what cost, and what an oracle could, from predictions and what answers cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

GROUPS = 9
"""People are joined into at most so many groups by what they mind, a point for each."""
PRICES = np.concatenate([[0.0], np.geomspace(0.01, 100.0, 60)])
"""What a unit of cost takes from quality: an oracle's choices under each give a point of its hull."""


@dataclass(frozen=True, eq=False)
class Offers:
    """Hold the N answers that a router chose among, comparison by comparison.

    Args:
        start: (C + 1,) where each comparison begins.
        users: (C,) who asked.
        models: (N,) names.
        cost, quality: (N,).
    """

    start: np.ndarray
    users: np.ndarray
    models: np.ndarray
    cost: np.ndarray
    quality: np.ndarray

    def chosen(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (C,) cost and quality of the best of (N,) scores; equal ones share the choice."""
        sizes = np.diff(self.start)
        best = np.repeat(np.maximum.reduceat(scores, self.start[:-1]), sizes)
        share = (scores == best).astype(float)
        share /= np.repeat(np.add.reduceat(share, self.start[:-1]), sizes)
        cost, quality = (np.add.reduceat(share * values, self.start[:-1]) for values in (self.cost, self.quality))
        return cost, quality


def quality_costs(
    predictions: pa.Table,
    table: InteractionTable,
    routers: Sequence[str],
    scale: Sequence[float] = (0.0, 1.0),
    alpha: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return what `draw_quality_cost` takes.

    Args:
        predictions: Rows as `predictions_of` wrote them, of one number of shots and one draw.
        table: The comparisons that were asked, with the cost of every answer.
        routers: Which to show.
        scale: The rewards that ratings 0 and 1 stand for.
        alpha: User -> the weight of quality in their rewards, α·quality − (1 − α)·cost, where people were simulated so;
            their rewards are then taken apart. Without it a rating is the quality.

    Raises:
        DataError: An answer has no known cost.
    """
    names = np.asarray(predictions["router"].to_pylist())
    scores = {name: predictions["score"].to_numpy()[names == name].astype(float) for name in routers}
    offers = _offers(predictions.filter(pa.array(names == routers[0])), table, scale, alpha)
    groups = _groups(offers.users, alpha)
    return {
        "routers": {name: _points(*offers.chosen(found), groups) for name, found in scores.items()},
        "models": [
            {"name": str(model), **_mean(offers.cost[at], offers.quality[at])}
            for model in np.unique(offers.models)
            for at in [offers.models == model]
        ],
        "oracle": [_mean(*offers.chosen(offers.quality - price * offers.cost)) for price in PRICES],
    }


def _offers(
    rows: pa.Table, table: InteractionTable, scale: Sequence[float], alpha: Mapping[str, float] | None
) -> Offers:
    users, talks, models = (np.asarray(rows[key].to_pylist()) for key in ("user", "conversation", "model"))
    turns = rows["turn"].to_numpy()
    known = _costs(table)
    try:
        keys = zip(users.tolist(), talks.tolist(), turns.tolist(), models.tolist(), strict=True)
        cost = np.array([known[key] for key in keys])
    except KeyError as error:
        raise DataError(
            f"the answer {error} has no known cost; name the data that these results were made on"
        ) from None
    low, high = scale
    quality = low + (high - low) * rows["rating"].to_numpy().astype(float)
    if alpha is not None:
        weight = np.array([alpha[user] for user in users])
        quality = (quality + (1 - weight) * cost) / weight
    fresh = np.ones(len(users), dtype=bool)
    fresh[1:] = (users[1:] != users[:-1]) | (talks[1:] != talks[:-1]) | (turns[1:] != turns[:-1])
    start = np.append(np.flatnonzero(fresh), len(users))
    return Offers(start, users[start[:-1]], models, cost, quality)


def _costs(table: InteractionTable) -> dict[tuple[str, str, int, str], float]:
    """Return (user, conversation, turn, model) -> what the answer cost."""
    columns = table.to_arrow().select(["user", "conversation", "turn", "model", "cost"]).to_pydict()
    keys = zip(*(columns[name] for name in ("user", "conversation", "turn", "model")), strict=True)
    return {
        key: cost for key, cost in zip(keys, columns["cost"], strict=True) if cost is not None and np.isfinite(cost)
    }


def _groups(users: np.ndarray, alpha: Mapping[str, float] | None) -> np.ndarray:
    """Return (C,) the group of who asked: people of one weight, or of similar ones where there are many."""
    if alpha is None:
        return np.zeros(len(users), int)
    weight = np.array([alpha[user] for user in users])
    levels = np.unique(weight)
    if len(levels) > GROUPS:
        levels = np.unique(np.quantile(weight, np.arange(GROUPS) / GROUPS))
    return np.searchsorted(levels, weight, side="right")


def _points(cost: np.ndarray, quality: np.ndarray, groups: np.ndarray) -> list[dict[str, float]]:
    return [_mean(cost[groups == one], quality[groups == one]) for one in np.unique(groups)]


def _mean(cost: np.ndarray, quality: np.ndarray) -> dict[str, float]:
    return {"cost": round(float(cost.mean()), 5), "quality": round(float(quality.mean()), 5)}
