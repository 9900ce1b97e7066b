"""Measure the regret of choosing among all models, on planted users whose utilities are known."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.data.interactions import TEST
from gmt.evaluation.shares import bootstrap_shares
from gmt.evaluation.top_choice import choice_shares
from gmt.report.figure_file import FigureFile
from gmt.report.markdown import table
from gmt.studies.choice_harness import dots, fitted_routers, joined_shares, measures, scores_of_all, shown


def regret(options: argparse.Namespace) -> tuple[dict[str, Any], str, FigureFile]:
    """Choose among all models for every test question of planted users."""
    parts = []
    for seed in options.seeds:
        data, world = planted_dataset(PlantedSettings(users=options.users, votes=options.votes, seed=seed))
        targets = np.flatnonzero(data.table.split == TEST)
        rounds = data.table.select(targets)
        truth = world.table_utilities(rounds)
        # Names begin with the seed: user 3 of another seed is another user when intervals resample users.
        users = np.array([f"{seed}/{rounds.users[code]}" for code in rounds.user])
        scores = {router.name: scores_of_all(data, router, targets) for router in fitted_routers(data, seed)}
        # The oracle scores by the true utilities: its regret is 0, and its win chance is the most that can be had.
        parts.append({name: choice_shares(users, found, truth) for name, found in {**scores, "oracle": truth}.items()})
    found = bootstrap_shares(joined_shares(parts))
    heads = {
        "regret": "regret (logits)",
        "lost": "win chance lost against the best",
        "best": "best model chosen",
        "win": "win chance against another at random",
    }
    rows = {name: [shown(found.interval(name, metric)) for metric in heads] for name in found.samples}
    for rival in ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry"):
        rows[f"gmt − {rival}"] = [shown(found.difference("gmt", rival, metric), "+") for metric in heads]
    text = table(f"{options.users} × {options.votes}", list(heads.values()), rows)
    caption = (
        f"Choosing one of all ten models for {options.users} simulated people whose true utilities are known. Left: "
        "utility lost against the best model; right: how much less likely the choice is to be preferred than the best."
    )
    data = dots(found, list(found.samples), ("regret", "lost"), heads)
    return {"routers": measures(found)}, text, FigureFile("dots", "regret", data, caption)
