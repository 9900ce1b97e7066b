"""Judge by stated rules whether routing by person is worth it on the data that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.evaluation.controls import OWNERS_SHUFFLED, UNKNOWN_USER
from gmt.evaluation.more_votes import more_people, more_votes
from gmt.rivals.registry import RIVALS

WORTH_IT, NOT_WORTH_IT, HARDLY_DIFFER, CANNOT_TELL = "worth_it", "not_worth_it", "hardly_differ", "cannot_tell"

LEAST_GAIN = 0.01
"""AUC by which routing by person must beat the best impersonal router to be worth its trouble."""
ROOM = 0.02
"""AUC that a gain may not be able to reach, by its interval, before it is called absent rather than unknown."""
AGREEMENT, LEAST_SHARED = 0.75, 30
"""Share of agreement from which people hardly differ, and votes cast by several that must stand behind it."""
CONTROLS = (OWNERS_SHUFFLED, UNKNOWN_USER)
METRICS = ("auc", "accuracy", "log_loss")


def verdict_of(summary: Mapping[str, Any], reference: str = "gmt") -> dict[str, Any] | None:
    """Judge a results file.

    The rules, in this order; the gain is the paired difference in AUC to the impersonal router of the highest AUC, at
    the most shots, and in the AUC of lone ratings where there are no pairs:

    1. cannot_tell (`too_few_users`): the gain has no interval.
    2. worth_it: the gain is `LEAST_GAIN` or more and its interval lies above 0, as does that of the difference to the
       router with shuffled owners, where it was measured.
    3. cannot_tell (`wide_interval`): the interval holds 0 and reaches `ROOM`.
    4. hardly_differ: people agree in `AGREEMENT` or more of at least `LEAST_SHARED` votes cast by several.
    5. not_worth_it: all else, because the gain is `small`, `not_personal` (not beyond that with shuffled owners) or
       there is `none`.

    Taking the best of several impersonal routers by what they reach on the very targets makes the rules stricter.

    Args:
        summary: In the shape of `results/<protocol>.json`.
        reference: The router that is judged.

    Returns:
        `status`, `reason`, `shots`, `metric`; `over` (the impersonal router), `reached` (router -> what it reaches);
        `gain`, `shuffled`, `unknown_user` (metric -> paired difference to `over` and to the two controls); `ceiling`,
        `users`, `votes` (`more_votes`), `people` (`more_people`), `next` (what to do), `rules` (the thresholds). None
        where no impersonal router stands beside the reference.
    """
    shots = max(summary["shots"], key=lambda key: float(key) if key.isdigit() else -1.0)
    found = summary["shots"][shots]
    routers = found["routers"]
    metric = "auc" if (routers.get(reference) or {}).get("auc") else "lone_auc"
    reached = {name: values[metric]["value"] for name, values in routers.items() if values.get(metric)}
    impersonal = [name for name in reached if name != reference and _is_impersonal(name)]
    if reference not in reached or not impersonal:
        return None
    over = max(impersonal, key=lambda name: reached[name])

    def less(name: str) -> dict[str, Any] | None:
        row = found["differences"].get(f"{reference} - {name}")
        return None if row is None else {one: row.get(one) for one in dict.fromkeys((metric, *METRICS))}

    gain, shuffled, ceiling = less(over) or {}, less(OWNERS_SHUFFLED), _ceiling(summary, shots, reference, over)
    status, reason = _status(gain[metric], shuffled and shuffled[metric], ceiling)
    votes, people = more_votes(summary, reference), more_people(summary)
    return {
        "status": status,
        "reason": reason,
        "shots": shots,
        "metric": metric,
        "over": over,
        "reached": {name: reached[name] for name in (reference, over, *CONTROLS) if name in reached},
        "gain": gain,
        "shuffled": shuffled,
        "unknown_user": less(UNKNOWN_USER),
        "ceiling": ceiling,
        "users": (found.get("users") or {}).get(metric, summary.get("users")),
        "votes": votes,
        "people": people,
        "next": _next(status, reason, votes, people),
        "rules": {
            "least_gain": LEAST_GAIN,
            "room": ROOM,
            "agreement": AGREEMENT,
            "least_shared": LEAST_SHARED,
        },
    }


def _is_impersonal(name: str) -> bool:
    return name == UNKNOWN_USER or name in RIVALS and not RIVALS[name].personal


def _status(
    gain: Mapping[str, Any], shuffled: Mapping[str, Any] | None, ceiling: Mapping[str, Any] | None
) -> tuple[str, str | None]:
    """Apply the rules of `verdict_of` in their order; return the status and the reason."""
    value, low, high = (gain[end] for end in ("value", "low", "high"))
    if low is None or high is None:
        return CANNOT_TELL, "too_few_users"
    # Only a control that was measured can object.
    personal = shuffled is None or shuffled["low"] is not None and shuffled["low"] > 0
    if low > 0 and value >= LEAST_GAIN and personal:
        return WORTH_IT, None
    if low <= 0 and high >= ROOM:
        return CANNOT_TELL, "wide_interval"
    reason = "none" if low <= 0 else "not_personal" if value >= LEAST_GAIN else "small"
    alike = ceiling is not None and ceiling["votes"] >= LEAST_SHARED and ceiling["agreement"] >= AGREEMENT
    return (HARDLY_DIFFER if alike else NOT_WORTH_IT), reason


def _ceiling(summary: Mapping[str, Any], shots: str, reference: str, over: str) -> dict[str, Any] | None:
    """Return the bound on blind routers with both routers' accuracies over the very same votes; None without these."""
    ceiling = summary.get("ceiling") or {}
    right = (ceiling.get("accuracy") or {}).get(shots)
    if not right or reference not in right:
        return None
    out = {key: ceiling[key] for key in ("agreement", "votes", "low", "high")}
    return out | {"accuracy": {name: right[name] for name in (reference, over) if name in right}}


def _next(status: str, reason: str | None, votes: Mapping[str, Any] | None, people: Mapping[str, Any] | None) -> str:
    """Name what to do next: `deploy`, `deploy_and_collect`, `impersonal`, `collect_votes`, `_users` or `_more`."""
    helps = votes is not None and votes["helps"]
    if status == CANNOT_TELL:
        return "collect_users" if reason == "too_few_users" else "collect_more"
    if status == WORTH_IT:
        more = helps or people is not None and people["helps"]
        return "deploy_and_collect" if more else "deploy"
    # Votes that still teach something may yet make a small gain worth it; where people agree they will not.
    return "collect_votes" if helps and status == NOT_WORTH_IT and reason == "small" else "impersonal"
