"""Make small tables and data sets with planted preferences for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.encoders import EncoderCard
from gmt.data.interactions import InteractionTable


def random_table(
    seed: int = 0,
    users: int = 12,
    models: int = 5,
    comparisons_per_user: int = 20,
    max_turns: int = 1,
    max_candidates: int = 2,
    questions: int = 15,
    personal: float = 2.0,
    shared: float = 1.0,
    noise: float = 1.0,
    unrated: float = 0.0,
    ties: float = 0.1,
    timestamps: bool = False,
) -> InteractionTable:
    """Draw conversations whose ratings follow shared and personal strengths of the models.

    Args:
        seed: Chooses everything.
        users, models, questions: Sizes of the vocabularies.
        comparisons_per_user: Rounds each user rates, over conversations of 1 to `max_turns` rounds.
        max_candidates: Most candidates of a round; at least 2 are shown.
        personal, shared, noise: Standard deviations of a user's offsets, of the strengths, and of
            the logistic noise's scale.
        unrated, ties: Shares of rounds without a rating and with equal ratings.
        timestamps: Whether rounds carry a time, growing in table order.
    """
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, shared, models) + rng.normal(0, personal, (users, models))
    comparisons, clock = [], 0.0
    for user in range(users):
        left, conversation = comparisons_per_user, 0
        while left > 0:
            rounds = min(left, int(rng.integers(1, max_turns + 1)))
            question = int(rng.integers(questions))
            shown = rng.permutation(models)[: int(rng.integers(2, max_candidates + 1))]
            for turn in range(rounds):
                ratings = _ratings(strength[user, shown], noise, ties, rng)
                blank = rng.random() < unrated
                candidates = tuple(
                    Candidate(f"model{m}", f"answer of model{m} to {question}.{turn}", None if blank else rating)
                    for m, rating in zip(shown, ratings, strict=True)
                )
                clock += float(rng.integers(1, 100))
                comparisons.append(
                    Comparison(
                        f"user{user}",
                        f"user{user}-{conversation}",
                        turn,
                        f"question {question} turn {turn}",
                        candidates,
                        question=f"q{question}",
                        timestamp=clock if timestamps else None,
                    )
                )
            left, conversation = left - rounds, conversation + 1
    return InteractionTable.from_comparisons(comparisons)


def _ratings(strength: np.ndarray, noise: float, ties: float, rng: np.random.Generator) -> list[float]:
    if rng.random() < ties:
        return [0.5] * len(strength)
    order = np.argsort(np.argsort(strength + rng.logistic(0, noise, len(strength))))
    return [float(place) / (len(strength) - 1) for place in order]


def dataset_of(table: InteractionTable, protocol: str = "seen", width: int = 16, seed: int = 0) -> Dataset:
    """Wrap a table with random unit vectors for its texts and models."""
    rng = np.random.default_rng(seed)

    def vectors(count: int) -> np.ndarray:
        drawn = rng.normal(size=(count, width)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True) if count else drawn

    return Dataset(
        table,
        vectors(len(table.texts)),
        vectors(len(table.models)),
        {name: ModelInfo(name) for name in table.models},
        EncoderCard("random", "0", width),
        {"protocol": protocol},
    )


def random_dataset(
    seed: int = 0,
    users: int = 12,
    models: int = 5,
    comparisons_per_user: int = 20,
    max_turns: int = 1,
    protocol: str = "seen",
    **settings: float,
) -> Dataset:
    """Draw a table with planted preferences, split it by a protocol, and wrap it with random vectors."""
    from data_prep.splits import assign

    table = random_table(seed, users, models, comparisons_per_user, max_turns, **settings)  # pyright: ignore[reportArgumentType]
    return dataset_of(table.with_split(assign(table, protocol, seed=seed)), protocol, seed=seed)


def with_lone_ratings(data: Dataset) -> Dataset:
    """Return the data with ratings on four levels, every third round having one rated answer alone."""
    items = []
    for number, item in enumerate(data.table.to_comparisons()):
        rated = [None if one.rating is None else round(one.rating * 3) / 3 for one in item.candidates]
        answers = [replace(one, rating=rating) for one, rating in zip(item.candidates, rated, strict=True)]
        items.append(replace(item, candidates=tuple(answers[:1] if number % 3 == 0 else answers)))
    table = InteractionTable.from_comparisons(items, data.table.split.tolist(), models=data.table.models)
    return dataset_of(table, width=24)
