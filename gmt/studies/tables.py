"""Lay the summaries of any number of configs and data sets out as the tables of the README and docs/results.md.

Usage: python -m gmt.studies.tables BENCH/tables [--configs default paper …]

The folder holds `<config>-<set>-<protocol>.json`, as `gmt.studies.real_votes` writes them. The first config lends the
rivals and is compared with them; the others add their own router to each table.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmt.errors import DataError
from gmt.files import read_json
from gmt.report.markdown import interval_cell, table
from gmt.studies.entry import run_study

OURS = "gmt"
NAMES = {"default": "**gmt** (`default.yaml`)", "paper": "GMTRouter's design (`paper.yaml`)"}
SETS = {"llmfao": "llmfao", "mtbench": "MT-Bench"}
# A config's name may hold dashes, a set's may not: protocols are listed, so that new-users is not read as a set.
FILE = re.compile(r"(?P<config>.+)-(?P<set>[^-]+)-(?P<protocol>seen|new-users|new-models|new-questions|drift)")
STRONG = ("bradley_terry", "user_bradley_terry", "knn", "hierarchical_bradley_terry")
METRICS = {"auc": "AUC", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Summaries:
    """Hold what several configs reached on several sets.

    Args:
        found: (config, set, protocol) -> the summary of its one protocol.
        configs: In the order of the tables; the first lends the rivals.
    """

    found: Mapping[tuple[str, str, str], Mapping[str, Any]]
    configs: Sequence[str]

    @classmethod
    def read(cls, folder: Path, configs: Sequence[str] = ()) -> Summaries:
        """Read a folder of summaries.

        Args:
            folder: Where they lie.
            configs: Which to read, in order; by default all there are, those of `NAMES` first.

        Raises:
            DataError: The folder holds none, or none of a config.
        """
        # Whatever else lies in the folder is left alone: figures and Markdown stand beside the summaries.
        found = {}
        for path in sorted(folder.glob("*.json")):
            if parts := FILE.fullmatch(path.stem):
                summary = read_json(path, DataError, "summarise the runs again")
                # One protocol in a file; unpacking refuses a summary of several, which would be read by half.
                (found[parts["config"], parts["set"], parts["protocol"]],) = summary.values()
        there = list(dict.fromkeys(config for config, _, _ in found))
        missing = [name for name in configs if name not in there]
        if missing or not there:
            what = f"no summary of config {missing[0]}" if missing else "no <config>-<set>-<protocol>.json"
            raise DataError(f"{folder} holds {what}; run python -m gmt.studies.real_votes first, with --config NAME")
        return cls(found, list(configs) or _known_first(there, NAMES))

    @property
    def first(self) -> str:
        """The config that lends the rivals."""
        return self.configs[0]

    def sets(self, protocol: str) -> list[str]:
        """Return the sets measured under a protocol, those of `SETS` first."""
        there = [name for config, name, other in self.found if config == self.first and other == protocol]
        return _known_first(there, SETS)

    def routers(self, name: str, protocol: str, shots: str) -> dict[str, Mapping[str, Any]]:
        """Return router -> its metrics: that of every config, then the rivals of the first."""
        ours: dict[str, Mapping[str, Any]] = {}
        rivals: dict[str, Mapping[str, Any]] = {}
        for config in self.configs:
            summary = self.found.get((config, name, protocol))
            if summary is None or shots not in summary["shots"]:
                continue
            for router, metrics in summary["shots"][shots]["routers"].items():
                # Rivals do not depend on gmt's config, so those of the first stand for all.
                if router == OURS:
                    seeds = len(summary["seeds"])
                    # Five seeds are the rule of the tables; fewer must be seen at once.
                    few = f", {seeds} seed{'s' * (seeds > 1)}" if seeds != 5 else ""
                    ours[NAMES.get(config, f"`{config}.yaml`") + few] = metrics
                elif config == self.first:
                    rivals[f"`{router}`"] = metrics
        return ours | rivals


def _known_first(names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Order names: those we have a title for, then the others."""
    return [name for name in known if name in names] + [name for name in names if name not in known]


def short_cell(metric: Mapping[str, float] | None) -> str:
    """Write a value with its interval, thousandths without the leading zero."""
    # Six columns of intervals fit a page only without the zeros.
    return re.sub(r"\b0\.", ".", interval_cell(metric))


def seen_table(summaries: Summaries, protocol: str) -> str:
    """Return AUC and accuracy of a protocol without shots, all data sets side by side."""
    sets = summaries.sets(protocol)
    heads = [f"{SETS.get(name, name)} {head}" for name in sets for head in METRICS.values()]
    columns = [summaries.routers(name, protocol, "all") for name in sets]
    rows = {
        router: [short_cell(column.get(router, {}).get(metric)) for column in columns for metric in METRICS]
        for router in dict.fromkeys(router for column in columns for router in column)
    }
    return table("router", heads, rows)


def shots_table(summaries: Summaries, name: str, protocol: str, metric: str) -> str:
    """Return one metric of a protocol over its shots."""
    shots = list(summaries.found[summaries.first, name, protocol]["shots"])
    columns = [summaries.routers(name, protocol, count) for count in shots]
    heads = [f"{count} shot{'s' * (count != '1')}" for count in shots]
    rows = {router: [short_cell(column.get(router, {}).get(metric)) for column in columns] for router in columns[0]}
    return table(f"{SETS.get(name, name)}, {metric}", heads, rows)


def differences_table(summaries: Summaries) -> str:
    """Return how far gmt is ahead of the strong rivals, paired over people."""
    lines = ["| gmt less … | where | AUC | accuracy |", "|---|---|--:|--:|"]
    for (config, name, protocol), summary in summaries.found.items():
        for shots, part in summary["shots"].items() if config == summaries.first else ():
            for rival in STRONG:
                gap = part["differences"].get(f"{OURS} - {rival}")
                # The ends of the curve say what a cold start costs and what votes bring; all shots stand in the other
                # table.
                if gap is not None and shots in ("all", "0", "20"):
                    where = f"{SETS.get(name, name)}, {protocol}" + ("" if shots == "all" else f", {shots} shots")
                    cells = [interval_cell(gap[metric], "+") for metric in METRICS]
                    lines.append(f"| `{rival}` | {where} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table that the folder's summaries allow."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--configs", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    summaries = Summaries.read(chosen.folder, chosen.configs)
    for protocol in dict.fromkeys(protocol for _, _, protocol in summaries.found):
        print(f"\n### {protocol}\n")
        sets = summaries.sets(protocol)
        # A protocol without shots has one column for each metric, so all sets fit beside each other.
        if sets and list(summaries.found[summaries.first, sets[0], protocol]["shots"]) == ["all"]:
            print(seen_table(summaries, protocol))
            continue
        for name in sets:
            for metric in METRICS:
                print(shots_table(summaries, name, protocol, metric))
    print("\n### Differences\n")
    print(differences_table(summaries))


if __name__ == "__main__":
    run_study(main)
