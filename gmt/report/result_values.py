"""Read what figures draw out of results files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NAMES = {"auc": "AUC", "user_auc": "AUC within a user", "accuracy": "pairwise accuracy", "log_loss": "log loss"}
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


def title_of(result: Mapping[str, Any], with_shots: bool = True) -> str:
    """Say what was measured: protocol, shots, users and pairs."""
    shots = shots_of(result)
    parts = [str(result.get("protocol", "")), f"{shots[-1]} shots" if with_shots and shots[-1].isdigit() else ""]
    if result.get("users"):
        parts.append(f"{result['users']} users, {result.get('pairs', 0):,} pairs")
    return ", ".join(part for part in parts if part)
