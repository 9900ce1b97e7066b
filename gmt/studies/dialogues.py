"""Predict how a user will rate the next answer of a dialogue, from the turns before it (HALIE).

Everybody met one model, so nothing can be learned of choosing between models: what is measured is whether
earlier turns predict how the next will be rated. The network is that of gmt; a turn is a comparison of one
candidate, which the pairwise loss of training cannot learn from, so it learns here from pairs of turns of
one dialogue. Users are cut into folds; those scored were never trained on. Nothing chooses when to stop.

Within a user a high mean so far predicts lower ratings even where their order means nothing, for what was
drawn high is gone from the rest. The same predictors are therefore also measured on ratings shuffled within
each user; only what is gained beyond that is owed to time.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from data_prep.simulate.in_memory import embedded
from gmt.config import RunConfig
from gmt.data.build_graph import build_graph
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.interactions import InteractionTable
from gmt.model.build import Scorer
from gmt.report.markdown import interval_cell, table
from gmt.training.train_network import new_scorer

SURVEY = ("interestingness", "boringness", "preference", "fluency", "sensibility", "specificity", "humanness")
FOLDS, USERS, RESAMPLES = 3, 16, 1000
SHUFFLED = ", ratings shuffled"
VARIANTS: dict[str, tuple[dict[str, bool], bool]] = {
    "network: the turn alone": ({"conversation": False}, False),
    "network: and what was said before": ({}, False),
    "network: and how that was rated": ({}, True),
    "network: the same without turn edges": ({"turn_edges": False}, True),
}


def read_dialogues(folder: Path, encoder: str) -> Dataset:
    """Read every turn with a rating as a comparison of one candidate, rated by the mean of its answers in [0, 1].

    Args:
        folder: Holds event_blocks.csv and survey_responses.csv.
        encoder: As `gmt prep --encoder`.
    """
    ratings = {}
    for row in _rows(folder / "survey_responses.csv"):
        # Boredom is turned round, so that more is better in every answer; turn -1 holds the survey of a whole session.
        values = [float(row[name]) if name != "boringness" else 1 - float(row[name]) for name in SURVEY if row[name]]
        if row["turn_id"] != "-1" and values:
            ratings[row["session_id"], int(row["turn_id"])] = float(np.mean(values))
    seen = {}
    for row in _rows(folder / "event_blocks.csv"):
        if row["turn_id"].isdigit():
            key = row["session_id"], int(row["turn_id"])
            seen[key] = Comparison(
                row["worker_id"],
                row["session_id"],
                key[1],
                row["user_input"] or "(nothing)",
                (Candidate(row["model"], row["model_completion"] or None, ratings.get(key)),),
            )
    rounds = InteractionTable.from_comparisons([seen[key] for key in sorted(seen)])
    return embedded(rounds, {name: ModelInfo(name) for name in rounds.models}, encoder, {"source": "halie"})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def train(data: Dataset, users: np.ndarray, config: RunConfig, reveal: bool) -> Scorer:
    """Learn to put the turns of one dialogue in the order of their ratings.

    Args:
        data: All dialogues; only those of `users` are read.
        users: (U,) user codes.
        config: Settings; `train.steps` and `train.lr` count.
        reveal: Whether the ratings of earlier turns are shown.
    """
    scorer, generator = new_scorer(config, data), np.random.default_rng([config.seed, 12])
    optimizer = torch.optim.AdamW(scorer.parameters(), config.train.lr, weight_decay=config.train.weight_decay)
    # No history: a dialogue belongs to one fold with its user, and what comes before a turn reaches it as its
    # conversation.
    nothing = data.select(np.zeros(0, np.int64))
    scorer.train()
    for _ in range(config.train.steps):
        chosen = generator.choice(users, min(USERS, len(users)), replace=False)
        targets = np.flatnonzero(np.isin(data.table.user, chosen) & data.table.rated)
        batch = build_graph(nothing, data.questions(targets, reveal_earlier=reveal), config.graph)
        talk, rating = data.table.conversation[targets], data.table.ratings[targets, 0]
        # Pairs within a dialogue only. Between users they would teach who rates high, which says nothing of the order
        # of turns.
        better, worse = np.nonzero((talk[:, None] == talk) & (rating[:, None] > rating))
        scores = scorer(batch)[:, 0]
        loss = torch.nn.functional.softplus(scores[torch.from_numpy(worse)] - scores[torch.from_numpy(better)]).mean()
        optimizer.zero_grad()
        loss.backward()
        # A dialogue of many turns has pairs by the hundred: one such batch could undo many steps.
        torch.nn.utils.clip_grad_norm_(scorer.parameters(), config.train.clip)
        optimizer.step()
    return scorer.eval()


def predicted(data: Dataset, targets: np.ndarray, scorer: Scorer, config: RunConfig, reveal: bool) -> np.ndarray:
    """Return (C,) scores of the target turns; of each only earlier turns of its dialogue are shown."""
    nothing = data.select(np.zeros(0, np.int64))
    with torch.inference_mode():
        return scorer(build_graph(nothing, data.questions(targets, reveal_earlier=reveal), config.graph))[:, 0].numpy()


def within(data: Dataset, scores: np.ndarray) -> dict[str, float]:
    """Return user -> rank correlation of scores and ratings over their turns; who rated all alike is left out.

    Args:
        data: All dialogues.
        scores: (C,) one for every comparison.
    """
    out, table_ = {}, data.table
    for user in np.unique(table_.user):
        own = np.flatnonzero((table_.user == user) & table_.rated)
        rating, score = table_.ratings[own, 0], scores[own]
        # A rank correlation needs an order to compare with.
        if len(own) > 2 and np.ptp(rating) > 0:
            # Equal predictions say nothing of the order: a correlation of 0.
            out[table_.users[user]] = float(spearmanr(score, rating).statistic) if np.ptp(score) > 0 else 0.0
    return out


def dialogues(folder: Path, encoder: str, config: RunConfig) -> dict[str, Any]:
    """Return predictor -> mean rank correlation within users with its 95 % bootstrap interval."""
    # 1. Folds once for all predictors, so that they differ in what they read and not in whom they saw.
    data = read_dialogues(folder, encoder)
    rng = np.random.default_rng(config.seed)
    fold = rng.permutation(len(data.table.users)) % FOLDS
    found = {
        "turn number": within(data, data.table.turn.astype(float)),
        "mean rating so far": within(data, so_far(data)),
    }
    for name, (changes, reveal) in VARIANTS.items():
        own = replace(config, graph=replace(config.graph, **changes))
        found[name] = within(data, _folded(data, fold, own, reveal))
    # 2. The same on ratings without order: what remains there is owed to the mean of few ratings and not to time.
    mixed = shuffled(data, rng)
    found[f"mean rating so far{SHUFFLED}"] = within(mixed, so_far(mixed))
    found[f"network: and how that was rated{SHUFFLED}"] = within(mixed, _folded(mixed, fold, config, True))
    # 3. Resamples of users, the same for all predictors, so that their differences are paired.
    reference = found[next(iter(VARIANTS))]
    users = sorted(reference)
    draws = rng.integers(len(users), size=(RESAMPLES, len(users)))
    out: dict[str, Any] = {"people": len(users), "turns": int(data.table.rated.sum()), "steps": config.train.steps}
    for name, values in found.items():
        own, base = (np.array([group[user] for user in users]) for group in (values, reference))
        out[name] = {"rank correlation": _interval(own, draws), "less the turn alone": _interval(own - base, draws)}
    return out


def _folded(data: Dataset, fold: np.ndarray, config: RunConfig, reveal: bool) -> np.ndarray:
    """Return (C,) scores of all turns, each from a network that was trained on the users of the other folds."""
    scores = np.zeros(len(data.table))
    for part in range(FOLDS):
        scorer = train(data, np.flatnonzero(fold != part), config, reveal)
        targets = np.flatnonzero(fold[data.table.user] == part)
        scores[targets] = predicted(data, targets, scorer, config, reveal)
    return scores


def shuffled(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Return the same dialogues with each user's ratings in random order."""
    rating, rows = data.table.rating.copy(), data.table.row_comparison
    for user in np.unique(data.table.user):
        own = np.flatnonzero((data.table.user[rows] == user) & ~np.isnan(rating))
        rating[own] = rng.permutation(rating[own])
    return data.with_table(replace(data.table, rating=rating))


def so_far(data: Dataset) -> np.ndarray:
    """Return (C,) mean rating of the earlier turns of each turn's dialogue, a half before the first."""
    out, rounds = np.full(len(data.table), 0.5), data.table
    for at in range(len(rounds)):
        before = (rounds.conversation == rounds.conversation[at]) & (rounds.turn < rounds.turn[at]) & rounds.rated
        if before.any():
            out[at] = rounds.ratings[before, 0].mean()
    return out


def _interval(values: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def dialogues_table(found: Mapping[str, Any]) -> str:
    """Lay the correlations out."""
    rows = {
        name: [interval_cell(one["rank correlation"], "+"), interval_cell(one["less the turn alone"], "+")]
        for name, one in found.items()
        if isinstance(one, dict)
    }
    head = f"**halie_dialogue** — {found['people']} users whose ratings differ, {found['turns']:,} rated turns"
    columns = ["rank correlation within a user", "less the turn alone"]
    return f"{head}, {found['steps']} steps, {FOLDS} folds of users\n\n{table('prediction', columns, rows)}"
