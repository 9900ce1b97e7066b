"""Make data of any size for timing: users, rounds and votes by chance, vectors by chance."""

from __future__ import annotations

import numpy as np

from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.encoders import EncoderCard
from gmt.data.interactions import TRAIN, VALID, InteractionTable

MODELS, QUERIES = 10, 320


def made_dataset(users: int, votes: int, width: int = 384, seed: int = 0) -> Dataset:
    """Return `users` users who each voted on `votes` pairs of ten models' answers; a fiftieth of the votes is VALID.

    Args:
        users, votes: U and how many rounds each rated; every round is two turns of the graph.
        width: D of the vectors.
        seed: Chooses everything.
    """
    rng, count = np.random.default_rng(seed), users * votes
    first = rng.integers(MODELS, size=count)
    # A step of 1 to M - 1 around the circle never comes back to the same model.
    second = (first + rng.integers(1, MODELS, size=count)) % MODELS
    query, won = rng.integers(QUERIES, size=count), rng.integers(2, size=count).astype(float)
    nowhere = np.full(2 * count, -1)
    table = InteractionTable(
        users=tuple(f"u{number}" for number in range(users)),
        models=tuple(f"m{number}" for number in range(MODELS)),
        texts=tuple(f"query {number}" for number in range(QUERIES)),
        conversations=tuple(f"c{number}" for number in range(count)),
        questions=tuple(f"q{number}" for number in range(QUERIES)),
        tasks=(),
        comparison=np.arange(count),
        user=np.repeat(np.arange(users), votes),
        # A conversation for each vote, so that votes may be split one by one.
        conversation=np.arange(count),
        turn=np.zeros(count, np.int64),
        question=query,
        task=np.full(count, -1),
        query=query,
        timestamp=np.full(count, np.nan),
        split=np.where(rng.random(count) < 0.02, VALID, TRAIN).astype(np.int8),
        start=np.arange(count + 1) * 2,
        model=np.stack([first, second], axis=1).reshape(-1),
        response=nowhere,
        feedback=nowhere,
        rating=np.stack([won, 1 - won], axis=1).reshape(-1),
        cost=np.full(2 * count, np.nan),
    )
    cards = {name: ModelInfo(name) for name in table.models}
    card = EncoderCard("made", "1", width)
    return Dataset(table, unit(rng, QUERIES, width), unit(rng, MODELS, width), cards, card, {"protocol": "seen"})


def unit(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) random vectors of length 1."""
    vectors = rng.standard_normal((count, width)).astype(np.float32)
    # Length 1, as the encoders give them.
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
