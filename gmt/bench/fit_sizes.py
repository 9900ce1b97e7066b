"""Time the closed form on planted data of ever more users."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmt.bench.made_data import MODELS, made_dataset
from gmt.bench.timing import peak_memory
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry

TASTES = 3
"""Directions in which users of planted data differ."""


def planted_dataset(users: int, votes: int, seed: int = 0) -> Dataset:
    """Return users whose votes follow low-rank tastes; a tenth of the votes is VALID, the rest TRAIN.

    Args:
        users, votes: U and how many rounds each rated.
        seed: Chooses everything.
    """
    data = made_dataset(users, votes, seed=seed)
    rng, table = np.random.default_rng([seed, 1]), data.table
    traits, tastes = rng.normal(size=(MODELS, TASTES)), rng.normal(size=(users, TASTES))
    model = table.model.reshape(-1, 2)
    gap = np.einsum("cf,cf->c", tastes[table.user], traits[model[:, 0]] - traits[model[:, 1]])
    won = (rng.random(len(gap)) < 1 / (1 + np.exp(-gap))).astype(float)
    split = np.where(rng.random(len(gap)) < 0.1, VALID, TRAIN).astype(table.split.dtype)
    return data.with_table(replace(table, rating=np.stack([won, 1 - won], axis=1).reshape(-1), split=split))


def fit_of(data: Dataset) -> dict[str, Any]:
    """Time the search for settings, and conditioning on all TRAIN votes with the scores of VALID.

    Returns:
        Processor seconds of each and together, seconds by the clock, microseconds of processor time a TRAIN comparison,
        peak GiB of the process.
    """
    started, clock = time.process_time(), time.perf_counter()
    router = AnswerAwareBradleyTerry().fit(data)
    searched = time.process_time()
    history = data.select(data.table.split == TRAIN)
    router.score(history, data.questions(np.flatnonzero(data.table.split == VALID)))
    ended = time.process_time()
    return {
        "comparisons": len(history.table),
        "search CPU s": searched - started,
        "condition and score CPU s": ended - searched,
        "CPU s": ended - started,
        "s": time.perf_counter() - clock,
        "us a comparison": 1e6 * (ended - started) / len(history.table),
        "peak GiB": peak_memory(),
    }


def fit_sizes(users: Sequence[int], votes: int = 40) -> list[dict[str, Any]]:
    """Time the closed form on planted data of ever more users, each with the given number of votes."""
    return [{"users": count, **fit_of(planted_dataset(count, votes))} for count in users]
