"""Make planted users' rounds a table and a data set in memory, for studies of many populations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_prep.simulate.in_memory import split_and_embedded
from data_prep.simulate.planted import PlantedSettings, Rounds, draw_rounds, draw_world
from data_prep.simulate.planted_texts import FOLLOW_UPS, compose_answer, remarks
from data_prep.simulate.world import FOLLOWS, World, user_name
from gmt.data.dataset import Dataset
from gmt.data.encoders import TextEncoder
from gmt.data.interactions import InteractionTable

ANSWER_TOKENS = 300  # what an answer is taken to be long for its price


def planted_table(settings: PlantedSettings) -> tuple[InteractionTable, World]:
    """Draw users and their rounds; the table is the one `gmt prep jsonl` makes of the written rows.

    Returns:
        The table, all TRAIN, and the truth.
    """
    world = draw_world(settings)
    return table_of(world, settings, list(draw_rounds(world, settings))), world


def planted_dataset(
    settings: PlantedSettings,
    encoder: str | TextEncoder = "hash",
    protocol: str = "seen",
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    split_seed: int | None = None,
) -> tuple[Dataset, World]:
    """Draw users and split and embed their rounds, as `gmt simulate planted` and `gmt prep jsonl` would.

    Args:
        settings: Who they are.
        encoder: A name that `gmt prep --encoder` takes, or an encoder.
        protocol, fractions: As in `gmt prep`.
        split_seed: Seed of the split; the users' own where left out.
    """
    table, world = planted_table(settings)
    seed = settings.seed if split_seed is None else split_seed
    card = {"source": "planted", "protocol": protocol, "fractions": list(fractions), "seed": seed}
    return split_and_embedded(table, world.models, encoder, fractions, card), world


def table_of(world: World, settings: PlantedSettings, parts: Sequence[Rounds]) -> InteractionTable:
    """Join rounds into one table; vocabularies hold what occurs, models all there are."""
    names = ("user", "conversation", "turn", "question", "time", "shown", "rating", "remark", "follow_up")
    # 1. Join the chunks, and count the rows: one for each answer shown, none for padding.
    user, talk, turn, question, time, shown, rating, remark, follow_up = (
        np.concatenate([getattr(part, name) for part in parts]) for name in names
    )
    there = shown >= 0
    start = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    model, of = shown[there], np.repeat(np.arange(len(user)), there.sum(axis=1))
    # 2. Vocabularies of what occurs, as reading the written rows would find them; only models that nobody was shown
    #    stay, for they can be candidates later.
    users, user = np.unique(user, return_inverse=True)
    # A conversation's number counts within its user; joined with the user's it is unique.
    talks, conversation = np.unique(users[user] * settings.conversations + talk, return_inverse=True)
    topics, topic = np.unique(world.question_topic[question], return_inverse=True)
    used, question = np.unique(question, return_inverse=True)
    noted, feedback = np.unique(remark[there], return_inverse=True)
    queries = [world.questions[q] for q in used]
    # 3. One vocabulary of texts: queries, then remarks, then answers, so each kind starts where the last one ended.
    texts, at = _vocabulary(queries)
    remarked, feedback = _codes(noted, feedback, remarks(settings.rank), len(texts))
    texts += remarked
    response = np.full(len(model), -1)
    if settings.responses:
        # Only answers that were shown are composed: all questions times all models would be many more.
        cells, cell = np.unique(question[of] * settings.models + model, return_inverse=True)
        answers, place = _vocabulary(
            [compose_answer(queries[c // settings.models], world.traits[c % settings.models]) for c in cells]
        )
        response, texts = place[cell] + len(texts), texts + answers
    # 4. Follow-ups say nothing of the question that they are about, and each is a question of its own.
    names_of = [conversation_name(*divmod(number, settings.conversations)) for number in talks.tolist()]
    asked, task, own = at[question], topic, [world.question_ids[q] for q in used]
    later = np.flatnonzero(follow_up >= 0)
    said, place = np.unique(follow_up[later], return_inverse=True)
    cost = answer_costs(world)[used][question[of], model] if settings.mix_cost else np.full(len(model), np.nan)
    if len(later):
        asked, task, about = asked.copy(), topic.copy(), question[later]
        asked[later], task[later] = place.reshape(-1) + len(texts), -1
        texts += [FOLLOW_UPS[code] for code in said.tolist()]
        question = question.copy()
        question[later] = len(own) + np.arange(len(later))
        own += [
            follow_up_id(own[code], names_of[conversation[row]], int(turn[row]))
            for code, row in zip(about.tolist(), later.tolist(), strict=True)
        ]
    return InteractionTable(
        users=tuple(map(user_name, users.tolist())),
        models=tuple(world.models),
        texts=tuple(texts),
        conversations=tuple(names_of),
        questions=tuple(own),
        tasks=tuple(world.topics[t] for t in topics),
        comparison=np.arange(len(user)),
        user=user,
        conversation=conversation,
        turn=turn,
        question=question,
        task=task,
        query=asked,
        timestamp=time,
        split=np.zeros(len(user), np.int8),
        start=start,
        model=model,
        response=response,
        feedback=feedback,
        rating=rating[there],
        cost=cost,
    )


def conversation_name(user: int, number: int) -> str:
    """Name a user's conversation."""
    return f"{user_name(user)}-{number:03d}"


def follow_up_id(question: str, conversation: str, turn: int) -> str:
    """Name the question of a follow-up, which starts with what it is about."""
    return f"{question}{FOLLOWS}{conversation}.{turn}"


def answer_costs(world: World) -> np.ndarray:
    """Return (Q, M) $ an answer costs: a quarter of the question's characters in, `ANSWER_TOKENS` out."""
    read = np.array([len(text) / 4 for text in world.questions])[:, None]
    prices = np.array([[info.input_price, info.output_price] for info in world.models.values()], float)
    return np.round((read * prices[:, 0] + ANSWER_TOKENS * prices[:, 1]) / 1e6, 9)


def _vocabulary(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts and each one's place among them."""
    places: dict[str, int] = {}
    at = [places.setdefault(text, len(places)) for text in texts]
    return list(places), np.array(at, dtype=np.int64)


def _codes(values: np.ndarray, places: np.ndarray, texts: Sequence[str], base: int) -> tuple[list[str], np.ndarray]:
    """Give texts that are used codes from `base` on; -1 stays -1."""
    kept = values >= 0
    found = [texts[int(value)] for value in values[kept]]
    # `values` are sorted, so -1 can only come first and the others are numbered on from `base`.
    codes = np.where(kept, np.cumsum(kept) - 1 + base, -1)
    return found, codes[places]
