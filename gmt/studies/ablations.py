"""Take the router apart: every config of configs/ablation on the same splits, and what each part adds.

Usage: python -m gmt.studies.ablations --out FOLDER --data DATA/llmfao-seen-0 … [--planted 0 1 2]
       [--configs no-query-quality network …] [--set train.steps=200 …]

Data folders are those of `gmt prep`, named set-protocol-seed as gmt.studies.real_votes names them.
`no-*` is compared with the default, `network-*` with the network alone. `one-graph-per-user` is the default, and
`network-one-graph-per-user` the network, fitted to all and shown no user's votes but those of the target user.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.config import load_config, shipped_config
from gmt.data.dataset import Dataset
from gmt.report.markdown import interval_cell, table, turned
from gmt.studies.entry import add_data_options, run_study, study_parser
from gmt.studies.harness import Alone, Blocks, add, block, fit, joined, score_targets, write

CONFIGS = shipped_config()
DEFAULT, NETWORK, ALONE = "default", "network", "one-graph-per-user"


def names() -> list[str]:
    """Return every ablation, the two references first."""
    files = sorted(path.stem for path in (CONFIGS / "ablation").glob("*.yaml"))
    # The references first, for a table reads from them down.
    return [DEFAULT, NETWORK, *(name for name in files if name != NETWORK)]


def data_sets(folders: Sequence[Path], planted: Sequence[int]) -> Iterator[tuple[str, int, Dataset]]:
    """Yield (set and protocol, seed, data)."""
    for folder in folders:
        name, _, seed = folder.name.rpartition("-")
        yield name, int(seed), Dataset.load(folder)
    for seed in planted:
        yield "planted-seen", seed, planted_dataset(PlantedSettings(seed=seed))[0]


def measure(data: Dataset, seed: int, configs: Sequence[str], overrides: Sequence[str], blocks: Blocks) -> list[str]:
    """Add the blocks of one data set under every config; return what the fits said."""
    notes = []
    for name in configs:
        path = CONFIGS / "default.yaml" if name == DEFAULT else CONFIGS / "ablation" / f"{name}.yaml"
        # One fit serves both: a graph per user is the same router with other users' votes hidden when it scores.
        router, said = fit(data, load_config(path, overrides, seed))
        notes += [f"{name}, seed {seed}: {line}" for line in said]
        routers: dict[str, Any] = {name: router}
        if name in (DEFAULT, NETWORK):
            routers[ALONE if name == DEFAULT else f"{NETWORK}-{ALONE}"] = Alone(router)
        add(blocks, {key: block(data, scores) for key, scores in score_targets(data, routers).items()})
    return notes


def compared(blocks: Blocks) -> dict[str, Any]:
    """Return every config's metrics, and its paired difference to its reference."""
    found: dict[str, Any] = {"routers": {}, "differences": {}}
    # Two families with a reference each: without its posterior the network differs so much that parts of it would
    # vanish beside the default.
    for reference in (DEFAULT, NETWORK):
        group = {
            name: several for name, several in blocks.items() if name.startswith(NETWORK) == (reference == NETWORK)
        }
        if reference in group:
            part = joined(group, reference)
            found["routers"] |= part["routers"]
            # Every difference is to its family's own reference, so the name of the other router is enough.
            found["differences"] |= {key.split(" - ")[1]: value for key, value in part["differences"].items()}
    return found


def markdown(found: dict[str, Any]) -> str:
    """Lay out AUC by set, and what leaving the part out costs."""
    rows: dict[str, list[str]] = {}
    order = dict.fromkeys(name for one in found.values() for name in one["routers"])
    for name in order:
        rows[name] = []
        for one in found.values():
            auc, gap = (one[key].get(name, {}).get("auc") for key in ("routers", "differences"))
            lost = turned(gap)
            rows[name] += [interval_cell(auc), interval_cell(lost, "+")]
    heads = [head for name in found for head in (f"{name} AUC", "less its reference")]
    seeds = "; ".join(f"{name} seeds {', '.join(map(str, one['seeds']))}" for name, one in found.items())
    settings = next(iter(found.values()))["set"]
    said = "; ".join([seeds, *settings, "95 % intervals over people"])
    return f"{said}\n\n{table('config', heads, rows)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and score every config on every data set, writing after each data set."""
    parser = study_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--configs", nargs="+", choices=names(), default=names())
    parser.add_argument("--set", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    blocks: dict[str, Blocks] = {}
    for name, seed, data in data_sets(chosen.data, chosen.planted):
        one = found.setdefault(name, {"seeds": [], "set": chosen.set, "notes": []})
        one["notes"] += measure(data, seed, chosen.configs, chosen.set, blocks.setdefault(name, {}))
        one["seeds"].append(seed)
        one |= compared(blocks[name])
        # After each data set, for all of them take days and a call may be stopped.
        write(chosen.out, "ablations", found, markdown(found))
        print(f"{name} {seed} done", flush=True)


if __name__ == "__main__":
    run_study(main)
