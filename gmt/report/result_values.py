"""Read out of results files what figures, tables and pages show, under one name for each metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NAMES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "user_auc": "AUC per user",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "reward": "reward",
    "regret": "regret",
    "lone_auc": "AUC of lone ratings",
    "rank_correlation": "rank correlation",
}
"""Metric -> how everything that is read writes it."""
EARLIER = {"user_auc": "user_auc_users", "rank_correlation": "rank_correlation_users"}
"""Where results of earlier versions say how many users a metric covers."""
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


def covered_users(metric: str, found: Mapping[str, Any]) -> int | None:
    """Return how many users a metric of one number of shots is computed from, None where an earlier version is mute."""
    return (found.get("users") or {}).get(metric, found.get(EARLIER.get(metric, "")))


def metric_head(metric: str, found: Mapping[str, Any], users: float) -> str:
    """Head a column, with how many users its metric covers where these are not all.

    Args:
        metric: One of `NAMES`.
        found: What a results file holds of one number of shots.
        users: How many there are, a mean over seeds where several were joined.
    """
    covered = covered_users(metric, found)
    # A metric of several seeds covers whoever stands in one of them at least, which may be more than the mean.
    return NAMES[metric] if covered is None or covered >= users else f"{NAMES[metric]} ({covered:,} users)"


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
