"""Time the closed form on planted data of ever more users, and of ever more distinct queries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmt.bench.made_data import MODELS, made_dataset, unit
from gmt.bench.timing import peak_memory
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry

TASTES = 3
"""Directions in which users of planted data differ."""
VOTES_OF_USER, TOPICS, WIDTH = 50, 20, 64
"""Of data of distinct queries: votes of every user, what queries are about, and numbers in a text's vector."""
ASKED, DOUBTED = 200, 3
"""Questions that are scored, and those whose covariances are asked for too."""


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


def distinct_queries(votes: int, seed: int = 0) -> Dataset:
    """Return users of `VOTES_OF_USER` votes, each on a query that nobody else saw.

    A vote follows what its query's topic asks of a model, and what its user prefers; texts are near those of their
    topic. A tenth of the votes is VALID, the rest TRAIN.

    Args:
        votes: V, a multiple of `VOTES_OF_USER`; as many queries.
        seed: Chooses everything.
    """
    data = made_dataset(votes // VOTES_OF_USER, VOTES_OF_USER, WIDTH, seed)
    rng, table = np.random.default_rng([seed, 2]), data.table
    own, topic = np.arange(len(table)), rng.integers(TOPICS, size=len(table))
    # 1. Half of a text's vector is its topic's, half its own.
    vectors = unit(rng, TOPICS, WIDTH)[topic] + unit(rng, len(table), WIDTH)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # 2. One who votes sees the answers' quality on this topic and has a taste of their own.
    quality, taste = rng.normal(size=(TOPICS, MODELS)), rng.normal(size=(len(table.users), MODELS))
    (a, b), user = table.model.reshape(-1, 2).T, table.user
    gap = quality[topic, a] - quality[topic, b] + taste[user, a] - taste[user, b]
    won = (rng.random(len(gap)) < 1 / (1 + np.exp(-gap))).astype(float)
    split = np.where(rng.random(len(gap)) < 0.1, VALID, TRAIN).astype(table.split.dtype)
    texts, questions = tuple(f"query {number}" for number in own), tuple(f"q{number}" for number in own)
    rating = np.stack([won, 1 - won], axis=1).reshape(-1)
    table = replace(table, texts=texts, questions=questions, query=own, question=own, rating=rating, split=split)
    return replace(data, table=table, vectors=vectors, model_vectors=unit(rng, MODELS, WIDTH))


def fit_of_queries(data: Dataset) -> dict[str, Any]:
    """Time the search for settings, conditioning on all votes, and questions about the first ones.

    Returns:
        Processor seconds of each, whether every number found is finite, peak GiB of the process.
    """
    marks = [time.process_time()]
    router = AnswerAwareBradleyTerry().fit(data)
    marks.append(time.process_time())
    posterior = router.condition(data)
    # Everybody's own part is solved when it is first read.
    finite = bool(np.isfinite(posterior.effects.alpha).all())
    marks.append(time.process_time())
    questions = data.questions(np.arange(min(ASKED, len(data.table))))
    finite &= bool(np.isfinite(posterior.score(data, questions)).all())
    marks.append(time.process_time())
    doubt = posterior.covariances(data, questions.select(np.arange(min(DOUBTED, len(questions)))))
    marks.append(time.process_time())
    names = ("search", "condition", f"score {ASKED}", f"{DOUBTED} covariances")
    spent = {f"{name} CPU s": later - mark for name, mark, later in zip(names, marks, marks[1:], strict=False)}
    found = {"queries": len(data.table.texts), **spent, "CPU s": marks[-1] - marks[0]}
    return {**found, "finite": finite and bool(np.isfinite(doubt).all()), "peak GiB": peak_memory()}


def query_sizes(votes: Sequence[int]) -> list[dict[str, Any]]:
    """Time the closed form on ever more votes, each on a query of its own."""
    return [fit_of_queries(distinct_queries(count)) for count in votes]


def fit_sizes(users: Sequence[int], votes: int = 40) -> list[dict[str, Any]]:
    """Time the closed form on planted data of ever more users, each with the given number of votes."""
    return [{"users": count, **fit_of(planted_dataset(count, votes))} for count in users]


if __name__ == "__main__":
    import json
    import sys

    # A process of its own, for the most memory it ever held is that of this size alone.
    print(json.dumps(query_sizes([int(number) for number in sys.argv[1:]]), indent=1))
