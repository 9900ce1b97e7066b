"""Average results over seeds, with users bootstrapped jointly, and print them as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.errors import DataError
from gmt.evaluation.blocks import ScoreBlock, bootstrap
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.results import Result, report

HEADINGS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "user_auc": "AUC per user",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "reward": "reward",
}
COUNTS = ("comparisons", "pairs", "ties", "unrated", "users")


def summarise(paths: Iterable[Path], reference: str = "gmt", seed: int = 0) -> dict[str, Any]:
    """Join results files of several seeds, protocol by protocol.

    In each resample of the users, joined by name over runs, a metric is averaged over runs and draws.
    Only routers that stand in every run of a protocol are compared; the others are named in
    `left_out`.

    Args:
        paths: Results files; their predictions lie beside them.
        reference: The router whose differences to all others are reported.
        seed: Chooses the resamples.

    Returns:
        Label of the protocol -> seeds, mean counts, and `shots` as in a results file.

    Raises:
        DataError: A file is missing, or two files of a protocol were made with one seed.
    """
    groups: dict[str, list[Result]] = {}
    for path in paths:
        result = Result.read(path)
        groups.setdefault(label_of(result.summary), []).append(result)
    if not groups:
        raise DataError("no results file was given; name runs that gmt eval has measured")
    return {label: _join(label, results, reference, seed) for label, results in groups.items()}


def label_of(summary: Mapping[str, Any]) -> str:
    """Name what a results file measured: its protocol, and what sets it apart from the usual."""
    marks = [summary["split"]] if summary["split"] != "test" else []
    marks += ["turns revealed"] if summary.get("reveal_turns") else []
    marks += [f"on {summary['data']}"] if summary.get("data") else []
    return summary["protocol"] + (f" ({', '.join(marks)})" if marks else "")


def _join(label: str, results: Sequence[Result], reference: str, seed: int) -> dict[str, Any]:
    seeds = [result.summary["seed"] for result in results]
    if len(set(seeds)) < len(seeds):
        raise DataError(
            f"two results of {label} have seed {max(seeds, key=seeds.count)}; give one results file for each seed"
        )
    joined: dict[str, dict[str, list[ScoreBlock]]] = {}
    read = [
        blocks_of(result.predictions, facts.get("temperatures", {}), facts.get("rating_range", (0.0, 1.0)))
        for result in results
        for facts in (result.summary,)
    ]
    shots = [key for key in read[0] if all(key in blocks for blocks in read)]
    left_out: set[str] = set()
    for key in shots:
        names = [name for name in read[0][key] if all(name in blocks[key] for blocks in read)]
        left_out |= {name for blocks in read for name in blocks[key]} - set(names)
        joined[key] = {name: [block for blocks in read for block in blocks[key][name]] for name in names}
    counts = {name: float(np.mean([result.summary[name] for result in results])) for name in COUNTS}
    return {
        "seeds": seeds,
        **counts,
        "left_out": sorted(left_out),
        "shots": {key: report(bootstrap(blocks, seed), reference) for key, blocks in joined.items()},
    }


def markdown_table(summary: Mapping[str, Any]) -> str:
    """Print a summary as Markdown: routers as rows, then the reference's differences to each rival.

    A protocol with one kind of trial gets one table over metrics; one with shots gets a table over
    shots for AUC and one for accuracy.
    """
    parts = []
    for label, found in summary.items():
        seeds = ", ".join(str(seed) for seed in found["seeds"])
        parts.append(
            f"**{label}** — {found['pairs']:,.0f} pairs of {found['users']:,.0f} people, {found['ties']:,.0f} ties, "
            f"seed{'s' if len(found['seeds']) > 1 else ''} {seeds}; 95 % intervals over people\n"
        )
        shots = found["shots"]
        if len(shots) == 1:
            (only,) = shots.values()
            parts.append(_table("router", HEADINGS, {metric: (only, metric) for metric in HEADINGS}))
        else:
            for metric in ("auc", "accuracy"):
                columns = {key: (shots[key], metric) for key in shots}
                parts.append(_table(HEADINGS[metric], {key: f"{key} shots" for key in shots}, columns))
    return "\n".join(parts)


def _table(corner: str, headings: Mapping[str, str], columns: Mapping[str, tuple[Mapping[str, Any], str]]) -> str:
    lines = [f"| {corner} | " + " | ".join(headings.values()) + " |", "|---" + "|--:" * len(headings) + "|"]
    first = next(iter(columns.values()))[0]
    for section, sign in (("routers", ""), ("differences", "+")):
        for name in first[section]:
            cells = [_cell(found[section].get(name, {}).get(metric), sign) for found, metric in columns.values()]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(interval: Mapping[str, float] | None, sign: str) -> str:
    if interval is None:
        return "–"
    value, low, high = (f"{interval[key]:{sign}.3f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
