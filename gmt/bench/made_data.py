"""Make data of any size for timing: users, rounds and votes by chance, vectors by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import yaml

from gmt.config import load_config
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import EncoderCard, card_of
from gmt.data.interactions import TRAIN, VALID, InteractionTable
from gmt.data.store import EmbeddingStore
from gmt.files import write_json, write_text
from gmt.hybrid.closed_form import new_hierarchical, save_posterior
from gmt.posterior.hierarchical_model import mean_vector
from gmt.runs import RunFolder

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


def made_run(folder: RunFolder, data: Dataset) -> None:
    """Write a run that remembers some data, with vectors by hashing and a posterior that holds its prior as learned."""
    encoder = load_encoder(f"hash:{data.encoder.width}")
    config = load_config(None, ["posterior.network=false", "traits.enabled=false"])
    card = {"name": folder.root.name, "data": {"path": "made", "sha256": ""}, "encoder": vars(card_of(encoder))}
    card |= {"models": list(data.models), "network_weight": 0.0, "temperature": 1.0}
    store = EmbeddingStore.create(folder.embeddings, card_of(encoder))
    texts, described = list(data.table.texts), [info.description for info in data.models.values()]
    vectors, model_vectors = encoder.encode(texts), encoder.encode(described)
    store.add(texts, vectors)
    store.add(described, model_vectors)
    store.save()
    # The prior takes no fit, which would cost more than all that is timed on a run of a million comparisons.
    posterior = new_hierarchical(config)
    posterior.query_centre, posterior.model_centre = mean_vector(vectors), mean_vector(model_vectors)
    posterior.covariance = posterior.user_covariance(replace(data, vectors=vectors, model_vectors=model_vectors))
    data.table.with_split(np.full(len(data.table), TRAIN)).write(folder.history)
    write_text(folder.config, yaml.safe_dump(config.to_dict()))
    write_json(folder.card, card)
    write_json(folder.models, {name: info.to_json() for name, info in data.models.items()})
    save_posterior(posterior, folder)


def unit(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Return (count, width) random vectors of length 1."""
    vectors = rng.standard_normal((count, width)).astype(np.float32)
    # Length 1, as the encoders give them.
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
