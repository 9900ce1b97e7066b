"""Replay routers on logged votes: what the votes gave that agree with a router's choice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.evaluation.metrics import pairs_of
from gmt.evaluation.replay import replay, shown_chances
from gmt.evaluation.shares import Share, bootstrap_shares
from gmt.report.figure_file import FigureFile
from gmt.report.markdown import table
from gmt.studies.choice_harness import dots, fitted_routers, joined_shares, measures, scores_of_all, shown

HEADS = (
    "votes matched",
    *("reward of the matched", "standard error"),
    *("weighed by how often models are shown", "standard error"),
    *("accuracy on all pairs", "standard error"),
)


def replayed(options: argparse.Namespace) -> tuple[dict[str, Any], str, FigureFile]:
    """Replay routers on the test votes of data folders, one for each seed."""
    plain, weighed, full, votes = [], [], [], 0
    effective: dict[str, float] = {}
    for seed, folder in enumerate(options.data):
        data = Dataset.load(folder)
        targets = np.flatnonzero((data.table.split == TEST) & data.table.rated)
        rounds, votes = data.table.select(targets), votes + len(targets)
        # From TRAIN, as all that a router is given: chances of the votes replayed would depend on them.
        chances = shown_chances(data.table.select(data.table.split == TRAIN))
        own: list[dict[str, dict[str, Share]]] = [{}, {}, {}]
        for router in fitted_routers(data, seed):
            scores = scores_of_all(data, router, targets)
            kept = [replay(rounds, scores), replay(rounds, scores, chances)]
            effective[router.name] = effective.get(router.name, 0.0) + kept[0].effective
            # Not strict: the third measure is no replay and follows below.
            for store, part in zip(own, kept, strict=False):
                store[router.name] = part.shares()
            own[2][router.name] = {"accuracy": _accuracy(rounds, scores)}
        for store, part in zip((plain, weighed, full), own, strict=True):
            store.append(part)
    first, second, third = (bootstrap_shares(joined_shares(part)) for part in (plain, weighed, full))
    names = list(first.samples)
    looks = ((first, "reward"), (second, "reward"), (third, "accuracy"))
    rows: dict[str, list[str]] = {}
    for name in names:
        rows[name] = [f"{first.samples[name]['matched'][0]:.1%} ({effective[name]:.0f})"]
        for found, metric in looks:
            rows[name] += [shown(found.interval(name, metric)), plain_number(found.error(name, metric))]
    for rival in names[1:]:
        less = rows[f"gmt − {rival}"] = ["–"]
        for found, metric in looks:
            # The first of the samples is the value itself, the others are resamples: only these have a deviation.
            gap = found.samples["gmt"][metric] - found.samples[rival][metric]
            less += [shown(found.difference("gmt", rival, metric), "+"), plain_number(float(np.nanstd(gap[1:])))]
    text = table(f"{options.name or Path(options.data[0]).name}, {votes} votes", HEADS, rows)
    card = {"votes": votes, "replay": measures(first), "weighed": measures(second), "pairs": measures(third)}
    caption = (
        "Replay on logged votes: a vote counts where the router's choice among all models was one of the two shown, "
        "and earns 1 where that answer won."
    )
    data = dots(first, names, ("reward",), {"reward": "reward of matched votes"})
    return card, text, FigureFile("dots", "replay", data, caption)


def _accuracy(table: InteractionTable, scores: np.ndarray) -> Share:
    """Return the pairwise accuracy on all votes, to compare variances with."""
    offered = np.take_along_axis(scores, np.maximum(table.candidates, 0), axis=1)
    pairs = pairs_of(table.ratings)
    # A tie of scores is half right, as a coin would be.
    right = (1 + np.sign(pairs.differences(offered))) / 2
    return Share(np.asarray(table.users)[table.user][pairs.comparison], right, np.ones(len(right)))


def plain_number(value: float | None) -> str:
    """Write a number, or a dash."""
    return "–" if value is None else f"{value:.3f}"
