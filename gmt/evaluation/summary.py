"""Average results over seeds, with users bootstrapped jointly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.errors import DataError
from gmt.evaluation.joint_verdict import joint_verdict
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.results import Result, report
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap

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
        Label of the protocol -> seeds, mean counts, `shots` as in a results file, and `verdict` of all seeds together,
        None where one was measured without controls.

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
    # One run given twice would weigh twice, and pass for two seeds.
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
    # Means over runs compare only where every run has the same shots and routers.
    shots = [key for key in read[0] if all(key in blocks for blocks in read)]
    left_out: set[str] = set()
    for key in shots:
        names = [name for name in read[0][key] if all(name in blocks[key] for blocks in read)]
        left_out |= {name for blocks in read for name in blocks[key]} - set(names)
        joined[key] = {name: [block for blocks in read for block in blocks[key][name]] for name in names}
    counts = {name: float(np.mean([result.summary[name] for result in results])) for name in COUNTS}
    found = {
        "seeds": seeds,
        **counts,
        "left_out": sorted(left_out),
        "shots": {key: report(bootstrap(blocks, seed), reference) for key, blocks in joined.items()},
    }
    return found | {"verdict": joint_verdict(found, [result.summary for result in results], reference)}
