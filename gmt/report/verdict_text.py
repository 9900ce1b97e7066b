"""Put a verdict into plain words: one sentence for each thing it found, chosen by its status and reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.report.markdown import interval_cell
from gmt.report.result_values import NAMES

OPENINGS = {
    ("worth_it", None): "Routing by person is worth it here.",
    ("not_worth_it", "none"): "Routing by person is not worth it here: it gains nothing that could be seen.",
    ("not_worth_it", "small"): "Routing by person is not worth it here: its gain is real but small.",
    ("not_worth_it", "not_personal"): "Routing by person is not worth it here: what is gained is not personal.",
    ("hardly_differ", "none"): "People hardly differ here, so routing by person gains nothing that could be seen.",
    ("hardly_differ", "small"): "People hardly differ here, so routing by person gains little.",
    ("hardly_differ", "not_personal"): "People hardly differ here, and what is gained is not personal.",
    ("cannot_tell", "too_few_users"): "Whether routing by person is worth it cannot be told: there are too few users.",
    ("cannot_tell", "wide_interval"): "Whether routing by person is worth it cannot be told: the interval is too wide.",
}
NEXT = {
    "deploy": "route by person.",
    "deploy_and_collect": "route by person, and keep on collecting: the curve still rises.",
    "impersonal": "use the impersonal router, and measure again when users or questions change.",
    "collect_votes": "collect more votes of each person, then measure again.",
    "collect_users": "collect votes of at least five people with pairs of different ratings, better of fifty, then "
    "measure again.",
    "collect_more": "collect more people, better than more votes of the same ones, then measure again; the interval "
    "narrows with the root of their number.",
}


def verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the sentences of a verdict.

    Args:
        verdict: What `gmt.evaluation.verdict.verdict_of` returned.
    """
    lines = [OPENINGS[verdict["status"], verdict["reason"]], _gain(verdict)]
    if verdict["shuffled"]:
        lines.append(_shuffled(verdict))
    lines += [_ceiling(verdict), _votes(verdict["votes"]), _people(verdict["people"])]
    return [*lines, "Next: " + NEXT[verdict["next"]]]


def with_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds a verdict, such as a results file, with the verdict's sentences under `verdict.text`."""
    verdict = found.get("verdict")
    return {**found, **({"verdict": {**verdict, "text": verdict_lines(verdict)}} if verdict else {})}


def _gain(verdict: Mapping[str, Any]) -> str:
    parts = [f"{NAMES[name]} {interval_cell(one, '+')}" for name, one in verdict["gain"].items() if one]
    at = "" if verdict["shots"] == "all" else f" after {verdict['shots']} shots"
    users = f", paired over {verdict['users']:,} users" if verdict["users"] is not None else ""
    return f"Over the best impersonal router, {verdict['over']}{at}: {', '.join(parts)}{users}."


def _shuffled(verdict: Mapping[str, Any]) -> str:
    metric = verdict["metric"]
    gap = verdict["shuffled"][metric]
    if gap is None:
        return "With each history handed to another user nothing could be measured."
    reached = verdict["reached"]["owners_shuffled"]
    said = f"With each history handed to another user {NAMES[metric]} {reached:.3f} is left"
    personal = gap["low"] is not None and gap["low"] > 0
    end = "what the own history gives is personal" if personal else "no part of it is personal beyond doubt"
    return f"{said}, and the own one gives {interval_cell(gap, '+')}: {end}."


def _ceiling(verdict: Mapping[str, Any]) -> str:
    ceiling = verdict["ceiling"]
    if ceiling is None:
        return "What the data could give at most cannot be told: no two people judged the same pair of answers."
    right = ", ".join(f"{name} in {value:.1%}" for name, value in ceiling["accuracy"].items())
    return (
        f"At most: of {ceiling['votes']:,} votes on pairs that several judged, people agree in "
        f"{ceiling['agreement']:.1%}, so a router blind to the person is expected to be right in at most "
        f"{ceiling['high']:.1%} and the rest is personal or noise; of these very votes {right}."
    )


def _votes(votes: Mapping[str, Any] | None) -> str:
    if votes is None:
        return "Whether more votes of a person would help cannot be told: no curve was measured."
    so_far = f"{votes['rounds']:.0f} rated rounds of a person gain {interval_cell(votes['gain'], '+')} AUC"
    if votes["fit"] is None:
        return f"{so_far}; whether more would help cannot be told from so few points or so little gain."
    fit = votes["fit"]
    verb = "help" if votes["helps"] else "hardly help"
    return (
        f"{so_far}; twice as many would {verb}: about {votes['doubled']:+.3f}, of {fit['most']:+.3f} that any number "
        f"could gain (half of it after {fit['half_after']:.0f})."
    )


def _people(people: Mapping[str, Any] | None) -> str:
    if people is None:
        return "Whether more people would help cannot be told: it was not measured."
    lost = f"with half of the {people['users']:,} people {interval_cell(people['loss'], '+')} AUC would be lost"
    if people["helps"] is None:
        return f"Whether more people would help cannot be told: {lost}."
    return f"More people would {'help' if people['helps'] else 'hardly help'}: {lost}."
