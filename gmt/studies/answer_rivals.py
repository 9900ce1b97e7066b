"""Measure what features of visible answers add to gmt's closed form and to the strongest rivals.

Usage: python -m gmt.studies.answer_rivals DATA [DATA …]

Every DATA is a folder of `gmt prep`, one seed each of the same set and protocol. In each pair of rows the second reads
what visible answers look like and say, the first does not; nothing else differs. gmt stands for its closed form
(`answer_aware_bradley_terry`), which is all of gmt where validation switches network and traits off.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.errors import DataError
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.report.markdown import interval_cell, table
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.studies.entry import run_study

GMT = AnswerAwareBradleyTerry.name
PAIRS = {
    "hierarchical_bradley_terry": GMT,
    "factorisation_machine": "factorisation_machine_answers",
    "ridge": "ridge_answers",
    "boosted_trees": "boosted_trees_answers",
}
METRICS = ("auc", "accuracy")
MOST_SHOTS = ("all", "20")


def measured(folder: Path) -> dict[str, list[ScoreBlock]]:
    """Return router -> its scores of one data folder's test part, at the most shots of its protocol."""
    data = Dataset.load(folder)
    learn, seed = data.select(data.table.split != TEST), int(data.card.get("seed", 0))
    routers: list[RoutingMethod] = [AnswerAwareBradleyTerry().fit(learn)]
    routers += [make_router(name, seed).fit(learn) for pair in PAIRS.items() for name in pair if name != GMT]
    shots = [20] if data.card.get("protocol") == "new-users" else None
    found = evaluate(data, routers, shots=shots, seed=seed, oracle=False, reference=GMT)
    blocks = blocks_of(found.predictions, found.summary["temperatures"])
    return blocks[next(key for key in MOST_SHOTS if key in blocks)]


def tabulated(folders: Sequence[Path], seed: int = 0) -> str:
    """Return the table: each router without and with the features, and what they add, paired over users.

    Raises:
        DataError: No folder is given.
    """
    if not folders:
        raise DataError("no data folder was given; name folders that gmt prep has made")
    joined: dict[str, list[ScoreBlock]] = {}
    for folder in folders:
        for name, blocks in measured(folder).items():
            joined.setdefault(name, []).extend(blocks)
    estimates = bootstrap(joined, seed)

    def cell(router: str, metric: str, less: str | None = None) -> str:
        found = estimates.interval(router, metric) if less is None else estimates.difference(router, less, metric)
        return interval_cell(None if found is None else found.to_json(), "" if less is None else "+")

    rows = {}
    for without, reading in PAIRS.items():
        for name in (without, reading):
            rows[f"`{name}`"] = [cell(name, metric) for metric in METRICS]
        rows[f"… less `{without}`"] = [cell(reading, metric, without) for metric in METRICS]
    rows |= {
        f"`{GMT}` less `{name}`": [cell(GMT, metric, name) for metric in METRICS] for name in [*PAIRS.values()][1:]
    }
    return table("router", METRICS, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="folders of gmt prep, one for each seed")
    sys.stdout.write(tabulated(parser.parse_args(arguments).data))


if __name__ == "__main__":
    run_study(main)
