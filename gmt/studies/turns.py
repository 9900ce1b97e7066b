"""Measure what turns add: earlier rounds of the conversation asked, and the edges between turns.

Usage: python -m gmt.studies.turns --out FOLDER [--data DATA/mtbench-seen-0 …] [--planted 0 …]
       [--halie FOLDER/halie_dialogue] [--set train.steps=200 …]

Votes: the graph network alone, with and without turn-turn edges and the conversation so far, with the
ratings of earlier rounds hidden and shown; later rounds are also counted by themselves. HALIE's dialogues
are read by gmt/studies/dialogues.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.config import load_config
from gmt.data.dataset import Dataset
from gmt.report.markdown import interval_cell, table, turned
from gmt.studies.ablations import data_sets
from gmt.studies.dialogues import dialogues, dialogues_table
from gmt.studies.entry import run_study
from gmt.studies.harness import Blocks, add, ask, block, fit, joined, targets_of, write

VARIANTS = {
    "edges and conversation": [],
    "no turn edges": ["graph.turn_edges=false"],
    "no conversation": ["graph.conversation=false"],
    "neither": ["graph.turn_edges=false", "graph.conversation=false"],
}
REVEALED = ", ratings shown"
MOVING = PlantedSettings(turns=4, wander=True, topic_taste=0.5)


def measure(data: Dataset, seed: int, overrides: Sequence[str], every: Blocks, later: Blocks) -> None:
    """Add the blocks of one data set under every variant: of all rounds, and of those after the first."""
    rounds = np.flatnonzero(data.table.turn[targets_of(data)] > 0)
    for name, changes in VARIANTS.items():
        config = load_config(None, ["posterior.enabled=false", *overrides, *changes], seed)
        router, _ = fit(data, config)
        scores = {name: ask(data, {name: router})[name]}
        if config.graph.conversation:
            scores[name + REVEALED] = ask(data, {name: router}, reveal_turns=True)[name]
        add(every, {key: block(data, found) for key, found in scores.items()})
        add(later, {key: block(data, found, of=rounds) for key, found in scores.items()})


def markdown(found: dict[str, Any]) -> str:
    """Lay out AUC of all and of later rounds by variant, each less the first variant."""
    parts = []
    reference = next(iter(VARIANTS))
    for name, one in found.items():
        rows: dict[str, list[str]] = {}
        for key in one["all"]["routers"]:
            rows[key] = []
            for part in ("all", "later"):
                gap = one[part]["differences"].get(f"{reference} - {key}", {}).get("auc")
                lost = turned(gap)
                rows[key] += [interval_cell(one[part]["routers"][key]["auc"]), interval_cell(lost, "+")]
        head = f"**{name}** — seeds {', '.join(map(str, one['seeds']))}, {' '.join(one['set'])}; intervals over people"
        columns = ["AUC", "less the first row", "AUC, later rounds", "less the first row"]
        parts.append(f"{head}\n\n{table('network', columns, rows)}")
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was asked for, writing after each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--planted", type=int, nargs="*", default=[])
    parser.add_argument("--halie", type=Path)
    parser.add_argument("--encoder", default="minilm", help="of HALIE's texts")
    parser.add_argument("--set", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    if chosen.halie:
        heard = dialogues(chosen.halie, chosen.encoder, load_config(None, chosen.set))
        write(chosen.out, "turns-halie", heard, dialogues_table(heard))
        print(dialogues_table(heard), flush=True)
    found: dict[str, Any] = {}
    blocks: dict[str, tuple[Blocks, Blocks]] = {}
    sets = list(data_sets(chosen.data, []))
    for seed in chosen.planted:
        moving, _ = planted_dataset(PlantedSettings(**{**vars(MOVING), "seed": seed}))
        sets.append(("planted, moving", seed, moving))
    for name, seed, data in sets:
        every, later = blocks.setdefault(name, ({}, {}))
        measure(data, seed, chosen.set, every, later)
        one = found.setdefault(name, {"seeds": [], "set": chosen.set})
        one["seeds"].append(seed)
        reference = next(iter(VARIANTS))
        one |= {"all": joined(every, reference), "later": joined(later, reference)}
        write(chosen.out, "turns-votes", found, markdown(found))
        print(f"{name} {seed} done", flush=True)


if __name__ == "__main__":
    run_study(main)
