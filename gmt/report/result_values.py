"""Read what figures draw out of results files, and say in words what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NAMES = {"auc": "AUC", "user_auc": "AUC within a user", "accuracy": "pairwise accuracy", "log_loss": "log loss"}
AXES = NAMES | {"lone_auc": "AUC of single ratings", "reward": "reward"}
CHANCE = ("auc", "user_auc", "accuracy", "lone_auc")
"""Metrics that a coin brings to one half."""
PROTOCOLS = {
    "seen": "known people",
    "new-users": "new people",
    "new-questions": "known people, new questions",
    "new-models": "a new model",
    "drift": "people who change",
    "given": "the split that the data came with",
}
OURS = "gmt"
# The oracle reads the answer; a dot at 1 would only squeeze the others together.
LEFT_OUT = ("oracle",)


def shots_of(result: Mapping[str, Any]) -> list[str]:
    """Return the numbers of shots in order, `all` last."""
    return sorted(result["shots"], key=lambda key: float(key) if key.isdigit() else math.inf)


def routers_of(result: Mapping[str, Any], shots: str) -> dict[str, Mapping[str, Any]]:
    """Return router -> metrics of one number of shots."""
    routers = result["shots"][shots]["routers"]
    return {name: metrics for name, metrics in routers.items() if name not in LEFT_OUT}


def end_of(metrics: Mapping[str, Any], metric: str, end: str) -> float:
    """Return the value of a metric or an end of its interval, NaN where it was not measured."""
    return number((metrics.get(metric) or {}).get(end))


def number(value: float | None) -> float:
    """Return a number, NaN for none."""
    return math.nan if value is None else float(value)


def measured_on(result: Mapping[str, Any], with_shots: bool = True) -> str:
    """Say on what a result was measured: data set, protocol, shots, people and pairs."""
    shots = shots_of(result)
    protocol = str(result.get("protocol", ""))
    what = PROTOCOLS.get(protocol, protocol)
    if with_shots and shots[-1].isdigit():
        what += f" after {shots[-1]} rated rounds"
    parts = [part for part in (str(result.get("data") or ""), what) if part]
    counts = [
        f"{round(result[key]):,} {word}" for key, word in (("users", "people"), ("pairs", "pairs")) if result.get(key)
    ]
    seeds = result.get("seeds")
    if isinstance(seeds, list) and len(seeds) > 1:
        counts.append(f"{len(seeds)} splits")
    return ": ".join(parts) + (f" ({', '.join(counts)})" if counts else "")
