"""Judge several seeds of one protocol together, from their joint numbers and the means of what each measured alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmt.evaluation.ceiling import ceiling_of
from gmt.evaluation.verdict import verdict_of


def joint_verdict(
    found: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]], reference: str = "gmt"
) -> dict[str, Any] | None:
    """Judge by the rules of `verdict_of`.

    The gain and the difference to shuffled owners are of the joint bootstrap. Agreement and curves are means of seeds.
    The ends of a curve's intervals are means too: for one seed's interval is as wide as if all seeds erred alike, the
    mean over seeds errs at most as much.

    Args:
        found: `users` and `shots` of all seeds together.
        summaries: What each seed's results file holds.
        reference: The router that is judged.

    Returns:
        None where a seed was measured without controls, and so has no verdict of its own.
    """
    if not found["shots"] or not all(one.get("verdict") for one in summaries):
        return None
    facts = {
        "protocol": summaries[0]["protocol"],
        "users": round(found["users"]),
        "shots": found["shots"],
        "ceiling": _mean_ceiling([one.get("ceiling") for one in summaries]),
        "history_curve": _mean_curve([one.get("history_curve") for one in summaries]),
    }
    return verdict_of(facts, reference)


def _mean_ceiling(ceilings: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Average over the votes that several cast; None where a seed has none."""
    there = [one for one in ceilings if one is not None and one.get("accuracy")]
    if len(there) < len(ceilings):
        return None
    votes = np.array([one["votes"] for one in there], float)
    out = ceiling_of(float(np.average([one["agreement"] for one in there], weights=votes)), round(votes.mean()))
    accuracy: dict[str, dict[str, float]] = {}
    for shots, first in there[0]["accuracy"].items():
        every = [one["accuracy"].get(shots) or {} for one in there]
        accuracy[shots] = {
            name: float(np.average([right[name] for right in every], weights=votes))
            for name in first or {}
            if all(name in right for right in every)
        }
    return out | {"accuracy": accuracy}


def _mean_curve(curves: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Average the curves point by point; None where a seed has none."""
    there = [one for one in curves if one is not None]
    if not there or len(there) < len(curves):
        return None
    votes = [
        {"rounds": float(np.mean([one["rounds"] for one in points])), "gain": _mean([one["gain"] for one in points])}
        for points in zip(*(one.get("votes") or [] for one in there), strict=False)
    ]
    people, each = None, [one.get("people") for one in there]
    if all(each):
        users = round(float(np.mean([one["users"] for one in each if one])))
        people = {"users": users, "loss": _mean([one["loss"] for one in each if one])}
    return {"votes": votes, "people": people}


def _mean(intervals: Sequence[Mapping[str, float | None] | None]) -> dict[str, float | None] | None:
    """Average values and ends; None where one is missing."""
    there = [one for one in intervals if one is not None]
    if len(there) < len(intervals):
        return None
    out: dict[str, float | None] = {}
    for end in ("value", "low", "high"):
        values = [value for one in there if (value := one[end]) is not None]
        out[end] = float(np.mean(values)) if len(values) == len(there) else None
    return out
