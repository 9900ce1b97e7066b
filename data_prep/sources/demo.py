"""Make a small world of users with known preferences and models with known manners, so that gmt runs without data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from data_prep.sources.demo_characters import CHARACTERS, TRAITS
from data_prep.sources.demo_people import QUALITY_WEIGHT, Person, ana, people, quality
from data_prep.sources.demo_rounds import life
from data_prep.sources.demo_texts import TASKS
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import InteractionTable

CONVERSATIONS = 40  # of every user, of the 48 questions there are


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Make the demo; there is nothing to read."""
    return make(options.seed)


def make(seed: int = 0) -> RawData:
    """Make what 60 users say of the answers of nine models.

    Every question has one answer per model, whoever asks; users differ in preferences alone, in general and by task.
    `ana` is not among them.
    """
    comparisons = []
    for name, person in people(seed).items():
        # Preferences, rounds and `ana` draw from streams of their own, so that one may change without the others.
        comparisons += life(person, np.random.default_rng([seed, 1, crc32(name.encode())]), CONVERSATIONS)
    models = {name: ModelInfo(c.description, *c.prices) for name, c in CHARACTERS.items()}
    history = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ana_history(seed))
    extras = {"truth.json": json.dumps(truth(seed), indent=1) + "\n", "histories/ana.jsonl": history}
    table = InteractionTable.from_comparisons(comparisons)
    scale = "votes: 1 won, 0 lost, 0.5 tied; stars: 1 to 5 as 0 to 1; thumbs: 1 up, 0 down"
    return RawData(table=table, models=models, rating_scale=scale, extras=extras)


def truth(seed: int = 0) -> dict[str, Any]:
    """Return what the rounds were drawn from: P(a beats b) = σ(utility of a − utility of b), near equals tie.

    Returns:
        `traits` (their names), `models` (name -> trait -> value), `quality` (name -> task -> value), `quality_weight`,
        `users` (name -> task -> trait -> weight) and `leniency` (name -> logits), where utility in a task =
        quality_weight · quality + Σ weight · trait.
    """
    everybody: dict[str, Person] = {**people(seed), "ana": ana()}
    return {
        "traits": list(TRAITS),
        "models": {name: dict(zip(TRAITS, c.traits, strict=True)) for name, c in CHARACTERS.items()},
        "quality": {name: {task: quality(c, task) for task in TASKS} for name, c in CHARACTERS.items()},
        "quality_weight": QUALITY_WEIGHT,
        "users": {
            name: {
                task: dict(zip(TRAITS, map(float, taste.round(4)), strict=True))
                for task, taste in person.tastes.items()
            }
            for name, person in everybody.items()
        },
        "leniency": {name: round(person.leniency, 4) for name, person in everybody.items()},
    }


def ana_history(seed: int = 0, votes: int = 20) -> list[dict[str, Any]]:
    """Return the rated rounds of `ana`, who prefers brevity and no jokes, as rows `gmt adapt --history` reads."""
    rows = []
    for item in life(ana(), np.random.default_rng([seed, 2]), conversations=votes, forms={"votes": 1.0}):
        a, b = item.candidates
        # As many conversations as votes are wanted hold more rounds than that, some of them unrated.
        if a.rating is None or b.rating is None or len(rows) == votes:
            continue
        winner = "tie" if a.rating == b.rating else "model_a" if a.rating > b.rating else "model_b"
        rows.append(
            {
                "user": "ana",
                "conversation": item.conversation,
                "turn": item.turn,
                "task": item.task,
                "query": item.query,
                "model_a": a.model,
                "model_b": b.model,
                "winner": winner,
                "response_a": a.response,
                "response_b": b.response,
                "timestamp": item.timestamp,
            }
        )
    return rows
