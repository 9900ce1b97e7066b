"""Say in what two runs differ: settings, what was fitted, data, versions, and numbers, paired where they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from gmt.evaluation.paired_runs import pair_results
from gmt.evaluation.results import Result
from gmt.report.run_facts import RunFacts, flat

FITTED = ("posterior", "network_weight", "temperature", "best.step")
"""What training chose or learned and put on the card."""


def compare_runs(first: RunFacts, second: RunFacts, seed: int = 0) -> dict[str, Any]:
    """Compare two runs.

    Args:
        first, second: The runs.
        seed: Chooses the resamples of users.

    Returns:
        `runs`: their folders; `settings`, `fitted`, `data`, `versions`: name -> [of the first, of the second] where
        they differ, null for what one lacks; `same_data`: whether both were trained on the same folder's content;
        `results`: label -> what `pair_results` returns, or `unpaired` with the reason and shots -> router -> metric ->
        [first, second]; `only`: labels that one run alone was measured by.
    """
    both = [label for label in first.results if label in second.results]
    return {
        "runs": [str(first.folder.root), str(second.folder.root)],
        "settings": _differing(first.settings, second.settings),
        "fitted": _differing(_fitted(first.card), _fitted(second.card)),
        "same_data": first.card["data"]["sha256"] == second.card["data"]["sha256"],
        "data": _differing(_data_facts(first), _data_facts(second)),
        "versions": _differing(_versions(first.card), _versions(second.card)),
        "results": {label: _compare_results(first, second, label, seed) for label in both},
        "only": {
            "first": [label for label in first.results if label not in both],
            "second": [label for label in second.results if label not in both],
        },
    }


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return name -> both values where they differ."""
    names = dict.fromkeys([*first, *second])
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}


def _fitted(card: Mapping[str, Any]) -> dict[str, Any]:
    values = flat(card)
    return {name: value for name, value in values.items() if name in FITTED or name.startswith("posterior.")}


def _versions(card: Mapping[str, Any]) -> dict[str, Any]:
    return dict(card.get("versions") or {})


def _data_facts(facts: RunFacts) -> dict[str, Any]:
    """Return what tells one run's data from another's."""
    card = facts.card
    out: dict[str, Any] = {
        "sha256": card["data"]["sha256"],
        "protocol": card.get("protocol"),
        "split seed": card["data"].get("seed"),
        "encoder": f"{card['encoder']['id']}@{card['encoder']['revision']}",
        "models": sorted(card["models"]),
        "trained rows": pq.read_metadata(facts.folder.history).num_rows,
    }
    if facts.data_card is not None:
        named = ("source", "input", "input_sha256", "rating_scale", "counts")
        out |= flat({name: facts.data_card[name] for name in named if name in facts.data_card})
        out |= {f"{name} comparisons": part["comparisons"] for name, part in facts.data_card["splits"].items()}
    return out


def _compare_results(first: RunFacts, second: RunFacts, label: str, seed: int) -> dict[str, Any]:
    """Compare one protocol's results, with paired intervals where the scores of both are there."""
    lacking = [str(facts.folder.root) for facts in (first, second) if not facts.has_predictions(label)]
    if not lacking:
        paired = pair_results(Result.read(first.results[label]), Result.read(second.results[label]), seed)
        if any(found["routers"] for found in paired.values()):
            return {"unpaired": None, "shots": paired}
        reason = "no target was asked in both"
    else:
        reason = f"the scores of {' and '.join(lacking)} are gone"
    return {"unpaired": reason, "shots": _side_by_side(first.summary(label), second.summary(label))}


def _side_by_side(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return shots -> the numbers of both, which are of other targets and must not be subtracted."""
    out: dict[str, Any] = {}
    for shots in (key for key in first["shots"] if key in second["shots"]):
        routers: Sequence[Mapping[str, Any]] = [one["shots"][shots]["routers"] for one in (first, second)]
        out[shots] = {
            "asked": {"first": first["comparisons"], "second": second["comparisons"], "both": 0},
            "same": False,
            "routers": {
                name: {"first": routers[0][name], "second": routers[1][name], "difference": {}}
                for name in routers[0]
                if name in routers[1]
            },
        }
    return out
