"""Measure single-turn networks: how many layers they need, and the published design beside ours."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.simulate.response_files import read_responses
from data_prep.simulate.traits import TraitSettings, trait_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.report.figure_file import FigureFile
from gmt.report.markdown import interval_cell, table
from gmt.rivals.registry import make_router
from gmt.studies.harness import Blocks, add, block, fit, joined, score_targets, write
from gmt.studies.personalized_data import ENCODER, NINE, THOUSAND, WHOLE, Extent, config_of, cost_users
from gmt.studies.rewards import Rewards, compared, earn, oracle_scores, reward_table


def scored_alone(data: Dataset, config: RunConfig, seed: int) -> dict[str, ScoreBlock]:
    """Fit gmt by its settings and return what it scored, under its name."""
    return {"gmt": block(data, score_targets(data, {"gmt": fit(data, config)[0]})["gmt"], f"{seed}:")}


def depth(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE) -> None:
    """Train the single-turn network with 0 to 5 layers, on cost users and on users who weigh traits of real answers."""
    # Optional, for real answers have to be downloaded; cost users need the matrix only.
    answers = read_responses(Path(os.environ["GMT_REAL_DATA"]) / "gsm8k") if "GMT_REAL_DATA" in os.environ else None
    found: dict[str, dict[str, Any]] = {}
    for layers in extent.layers:
        changes = [f"model.layers={layers}", *extent.trained(300)]
        blocks: dict[str, Blocks] = {"cost users": {}, "trait users": {}}
        for seed in seeds:
            # A tenth of the users, and few steps: six depths are compared with each other and with nothing else.
            data, _ = cost_users(matrix, replace(THOUSAND, users=100), seed, extent)
            add(blocks["cost users"], scored_alone(data, config_of("personalized_network", seed, *changes), seed))
            if answers is not None:
                people = TraitSettings(seed=seed)
                people = people if extent.users is None else replace(people, users=extent.users)
                data, _ = trait_dataset(answers, people, extent.encoder or ENCODER)
                pairwise = ("train.loss=pairwise", "train.select=auc")  # votes, where cost users state rewards
                config = config_of("personalized_network", seed, *changes, *pairwise)
                add(blocks["trait users"], scored_alone(data, config, seed))
        found[str(layers)] = {name: joined(one, "gmt")["routers"]["gmt"] for name, one in blocks.items() if one}
        rows = {
            "reward of cost users": [interval_cell(one["cost users"]["reward"]) for one in found.values()],
            "AUC of trait users": [interval_cell(one.get("trait users", {}).get("auc")) for one in found.values()],
        }
        # After each depth, with the figure, so that a course can be watched.
        write(out, "depth", found, f"Seeds {', '.join(map(str, seeds))}.\n\n{table('layers', list(found), rows)}")
        chosen = " ".join(map(str, seeds))
        command = f"python -m gmt.studies.personalized --scores FOLDER --out OUT --studies depth --seeds {chosen}"
        figure = depth_figure(found, command)
        figure.save(out / "figures")
        figure.write(out)
        print(f"depth {layers} done", flush=True)


def depth_figure(found: Mapping[str, Mapping[str, Any]], made_by: str) -> FigureFile:
    """Return the figure of reward and AUC over the number of layers, on axes from chance to the most there is."""
    groups = {
        "cost users": ("people who weigh quality against cost", "reward", "reward", [0.0, 0.45]),
        "trait users": ("people who weigh traits of answers", "auc", "AUC", [0.45, 1.0]),
    }
    panels = []
    for group, (name, metric, measure, limits) in groups.items():
        cells = {layers: one[group][metric] for layers, one in found.items() if group in one}
        panel = {
            "name": name,
            "axis": "layers of the graph network",
            "measure": measure,
            "points": list(cells),
            "lines": {"personalized_network": list(cells.values())},
            "limits": limits,
            "ours": "personalized_network",
        }
        if metric == "auc":
            panel["references"] = [{"value": 0.5, "label": "chance"}]
        panels += [panel] if cells else []
    caption = (
        "How many layers of messages the single-turn network needs (0: no graph). Left: simulated people who weigh "
        "quality against cost and state the reward of every model; right: simulated people who weigh traits of real "
        "answers (length, rare words, cost, quality) and vote between two. 95 % intervals over people."
    )
    return FigureFile("curves", "depth", {"panels": panels}, caption, made_by, "PersonalizedRouter, Figure 2")


def designs(
    matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str], extent: Extent = WHOLE
) -> None:
    """The published single-turn design and ours, trained at full length, beside the utility head."""
    # Full feedback, for the published design learns from the rewards of all models.
    groups = {"nine users, full feedback": NINE, "1,000 users, full feedback": replace(THOUSAND, feedback="full")}
    found: dict[str, dict[str, Any]] = {}
    for label, settings in groups.items():
        rewards: Rewards = {}
        for seed in seeds:
            data, _ = cost_users(matrix, settings, seed, extent)
            scores = {"oracle": oracle_scores(data)}
            for name, config in (
                ("gmt", "personalized_1000"),
                ("personalized_network.yaml", "personalized_network"),
                ("personalized_paper.yaml", "personalized_paper"),
            ):
                started = time.monotonic()
                steps = [] if name == "gmt" else extent.trained()
                router, _ = fit(data, config_of(config, seed, *steps))
                scores |= score_targets(data, {name: router})
                print(f"{label} seed {seed} {name}: {time.monotonic() - started:.0f} s", flush=True)
            # The least that a design has to beat: one model for all, and a mean for each user and task.
            for name in ("best_single", "user_task_mean"):
                router = make_router(name, seed).fit(data.select(data.table.split != TEST))
                scores |= score_targets(data, {name: router})
            earn(rewards, data, scores, seed)
        found[label] = {"seeds": list(seeds), **compared(rewards)}
        write(out, "designs", found, reward_table(found))
