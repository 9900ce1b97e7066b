"""Lay the summaries of several configs and data sets out as the tables of the README and docs/results.md.

Usage: python gmt/studies/tables.py BENCH/tables
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NAMES = {"default": "**gmt** (`default.yaml`)", "paper": "GMTRouter's design (`paper.yaml`)"}
SETS = {"llmfao": "llmfao", "mtbench": "MT-Bench"}


def read(folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return (config, set, protocol) -> the summary of its one protocol."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        config, data, protocol = path.stem.split("-", 2)
        (found[config, data, protocol],) = json.loads(path.read_text("utf-8")).values()
    return found


def number(metric: dict[str, float] | None) -> str:
    """Write a value and its interval, thousandths without the leading zero."""
    if metric is None:
        return "–"
    value, low, high = (f"{metric[key]:.3f}".lstrip("0") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def routers(found: dict[tuple[str, str, str], dict[str, Any]], data: str, protocol: str, shots: str) -> dict[str, Any]:
    """Return router -> its metrics: gmt, the paper's design, then the rivals."""
    out: dict[str, Any] = {}
    for config, name in NAMES.items():
        summary = found.get((config, data, protocol))
        if summary is None or shots not in summary["shots"]:
            continue
        for router, metrics in summary["shots"][shots]["routers"].items():
            if router == "gmt":
                seeds = len(summary["seeds"])
                out[name + (f", {seeds} seed{'s' * (seeds > 1)}" if seeds != 5 else "")] = metrics
            elif config == "default":
                out[f"`{router}`"] = metrics
    first = [name for name in out if name.startswith(tuple(NAMES.values()))]
    return {name: out[name] for name in [*first, *(name for name in out if name not in first)]}


def seen_table(found: dict[tuple[str, str, str], dict[str, Any]], protocol: str) -> str:
    """Return AUC and accuracy of a protocol without shots, both data sets side by side."""
    sets = [data for data in SETS if ("default", data, protocol) in found]
    heads = [f"{SETS[data]} {metric}" for data in sets for metric in ("AUC", "accuracy")]
    lines = ["| router | " + " | ".join(heads) + " |", "|---" + "|--:" * len(heads) + "|"]
    columns = [routers(found, data, protocol, "all") for data in sets]
    for name in dict.fromkeys(name for column in columns for name in column):
        cells = [number(column.get(name, {}).get(metric)) for column in columns for metric in ("auc", "accuracy")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shots_table(found: dict[tuple[str, str, str], dict[str, Any]], data: str, protocol: str, metric: str) -> str:
    """Return one metric of a protocol over its shots."""
    shots = list(found["default", data, protocol]["shots"])
    lines = [f"| {SETS[data]}, {metric} | " + " | ".join(f"{k} shot{'s' * (k != '1')}" for k in shots) + " |"]
    lines.append("|---" + "|--:" * len(shots) + "|")
    columns = [routers(found, data, protocol, k) for k in shots]
    for name in columns[0]:
        lines.append(f"| {name} | " + " | ".join(number(column.get(name, {}).get(metric)) for column in columns) + " |")
    return "\n".join(lines)


def differences(found: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """Return how far gmt is ahead of the strong rivals, paired over people."""
    lines = ["| gmt less … | where | AUC | accuracy |", "|---|---|--:|--:|"]
    for (config, data, protocol), summary in found.items():
        for shots, part in summary["shots"].items() if config == "default" else ():
            for rival in ("bradley_terry", "user_bradley_terry", "knn", "hierarchical_bradley_terry"):
                gap = part["differences"].get(f"gmt - {rival}")
                if gap is not None and shots in ("all", "0", "20"):
                    where = f"{SETS[data]}, {protocol}" + ("" if shots == "all" else f", {shots} shots")
                    cells = [
                        f"{gap[m]['value']:+.3f} [{gap[m]['low']:+.3f}, {gap[m]['high']:+.3f}]"
                        for m in ("auc", "accuracy")
                    ]
                    lines.append(f"| `{rival}` | {where} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Print every table that the folder's summaries allow."""
    found = read(folder)
    protocols = dict.fromkeys(protocol for _, _, protocol in found)
    for protocol in protocols:
        example = next(value for (_, _, name), value in found.items() if name == protocol)
        print(f"\n### {protocol}\n")
        if list(example["shots"]) == ["all"]:
            print(seen_table(found, protocol))
        else:
            for data in SETS:
                if ("default", data, protocol) in found:
                    for metric in ("auc", "accuracy"):
                        print(shots_table(found, data, protocol, metric) + "\n")
    print("\n### Differences\n")
    print(differences(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
