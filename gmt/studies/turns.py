"""Measure what turns add: earlier rounds of a target's conversation, and the edges between turns.

Usage: python -m gmt.studies.turns --out FOLDER [--data DATA/mtbench-seen-0 …] [--planted 0 …]
       [--halie FOLDER/halie_dialogue] [--set train.steps=200 …]

Votes: the graph network alone, with and without turn-turn edges and the conversation so far, with the
ratings of earlier rounds hidden and shown; later rounds are also counted by themselves. HALIE's dialogues
are read by gmt/studies/dialogues.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from gmt.studies.entry import add_data_options, run_study, study_parser
from gmt.studies.harness import Blocks, add, block, fit, joined, score_targets, targets_of, write

VARIANTS = {
    "edges and conversation": [],
    "no turn edges": ["graph.turn_edges=false"],
    "no conversation": ["graph.conversation=false"],
    "neither": ["graph.turn_edges=false", "graph.conversation=false"],
}
REVEALED = ", ratings shown"
# Later rounds move to other topics with tastes of their own, or the first round would say all there is.
MOVING = PlantedSettings(turns=4, wander=True, topic_taste=0.5)


def measure(data: Dataset, seed: int, overrides: Sequence[str], every: Blocks, later: Blocks) -> None:
    """Add the blocks of one data set under every variant: of all rounds, and of those after the first."""
    # Rounds after the first by themselves, for only they have anything before them and most rounds are first ones.
    rounds = np.flatnonzero(data.table.turn[targets_of(data)] > 0)
    for name, changes in VARIANTS.items():
        # The network alone: beside the posterior it would be given little weight, and its parts could not be told from
        # each other.
        config = load_config(None, ["posterior.enabled=false", "posterior.network=true", *overrides, *changes], seed)
        router, _ = fit(data, config)
        scores = {name: score_targets(data, {name: router})[name]}
        # Without the conversation there is no earlier round whose rating could be shown.
        if config.graph.conversation:
            scores[name + REVEALED] = score_targets(data, {name: router}, reveal_turns=True)[name]
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
    """Run what was chosen, writing after each data set."""
    parser = study_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--halie", type=Path)
    parser.add_argument("--encoder", default="minilm", help="of HALIE's texts")
    parser.add_argument("--set", nargs="+", default=[])
    chosen = parser.parse_args(arguments)
    if chosen.halie:
        halie = dialogues(chosen.halie, chosen.encoder, load_config(None, chosen.set))
        write(chosen.out, "turns-halie", halie, dialogues_table(halie))
        print(dialogues_table(halie), flush=True)
    found: dict[str, Any] = {}
    blocks: dict[str, tuple[Blocks, Blocks]] = {}
    # Planted users of the other studies have one round a conversation; these need several.
    sets = list(data_sets(chosen.data, []))
    for seed in chosen.planted:
        moving, _ = planted_dataset(replace(MOVING, seed=seed))
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
