"""Make a small world of users with known preferences and models with known manners, so that gmt runs without data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.sources.demo_characters import ANA, CHARACTERS, NAMES, TASTES, TRAITS, Character
from data_prep.sources.demo_texts import ROUNDS, TASKS, Task
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate, Comparison, winner_ratings
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import InteractionTable

MONDAY = 1_767_600_000.0  # the first vote of the demo, UTC seconds
QUALITY_WEIGHT = 2.0  # logits for a unit of answer quality
TIE_WIDTH = 0.3  # in logits: nearer than this the two answers tie
UNRATED = 0.08  # share of rounds that are shown and not voted on
COMMENTED = 0.15  # share of votes with a remark on the winner

PRAISE = {
    "length": ("Short and to the point.", "I like that it explains everything."),
    "lists": ("Reads well as flowing text.", "The list makes it easy to scan."),
    "formality": ("Pleasantly relaxed.", "Polite and professional."),
    "humour": ("Serious, as it should be.", "This made me laugh."),
    "code": ("Good that it stays with words.", "Great, code I can run."),
}


@dataclass(frozen=True)
class Ask:
    """Hold one round of the question pool: its wording and every model's answer."""

    question: str
    task: str
    query: str
    answers: dict[str, str]


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Make the demo; there is nothing to read."""
    return make(options.seed)


def make(seed: int = 0) -> RawData:
    """Make the votes of 36 users on nine models.

    Every question has one answer per model, whoever asks; users differ in preferences alone. `ana` is not among them.
    """
    # Preferences, votes and `ana` draw from streams of their own, so that one may change without the others.
    rng = np.random.default_rng([seed, 1])
    comparisons = []
    for name, taste in _people(seed).items():
        comparisons += _life(name, taste, rng, conversations=22)
    models = {name: ModelInfo(c.description, *c.prices) for name, c in CHARACTERS.items()}
    ana = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ana_history(seed))
    extras = {"truth.json": json.dumps(truth(seed), indent=1) + "\n", "histories/ana.jsonl": ana}
    table = InteractionTable.from_comparisons(comparisons)
    return RawData(table=table, models=models, rating_scale="votes: 1 won, 0 lost, 0.5 tied", extras=extras)


def truth(seed: int = 0) -> dict[str, Any]:
    """Return what the votes were drawn from: P(a beats b) = σ(utility of a − utility of b), near equals tie.

    Returns:
        `traits` (their names), `models` (name -> trait -> value), `quality` (name -> task -> value), `quality_weight`
        and `users` (name -> trait -> weight), where utility = quality_weight · quality + Σ weight · trait.
    """
    people = {**_people(seed), "ana": np.array(ANA)}
    return {
        "traits": list(TRAITS),
        "models": {name: dict(zip(TRAITS, c.traits, strict=True)) for name, c in CHARACTERS.items()},
        "quality": {name: {task: _quality(c, task) for task in TASKS} for name, c in CHARACTERS.items()},
        "quality_weight": QUALITY_WEIGHT,
        "users": {name: dict(zip(TRAITS, map(float, taste.round(4)), strict=True)) for name, taste in people.items()},
    }


def ana_history(seed: int = 0, votes: int = 20) -> list[dict[str, Any]]:
    """Return the rated rounds of `ana`, who prefers brevity and no jokes, as rows `gmt adapt --history` reads."""
    rows = []
    for item in _life("ana", np.array(ANA), np.random.default_rng([seed, 2]), conversations=votes):
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


def utility(taste: np.ndarray, model: str, task: str) -> float:
    """Return the utility of a model's answers in a task to a user with (5,) preferences `taste`, in logits."""
    character = CHARACTERS[model]
    return QUALITY_WEIGHT * _quality(character, task) + float(np.dot(taste, character.traits))


def _people(seed: int) -> dict[str, np.ndarray]:
    """Draw (5,) preferences per user: two camps of opposite preferences, and users who follow neither."""
    rng = np.random.default_rng([seed, 0])
    people = {}
    for camp, names in NAMES.items():
        # Camps are tight around opposite centres; those of no camp lie wide around nothing.
        centre, spread = np.array(TASTES.get(camp, np.zeros(len(TRAITS)))), 1.2 if camp == "own" else 0.4
        for name in names:
            people[name] = centre + spread * rng.normal(size=len(TRAITS))
    return people


def _quality(character: Character, task: str) -> float:
    return round(character.quality + 0.5 * (task in character.strong), 3)


def _life(name: str, taste: np.ndarray, rng: np.random.Generator, conversations: int) -> list[Comparison]:
    """Draw the conversations of one user; a conversation keeps its two models, as in an arena."""
    pool = question_pool()
    out = []
    # Everybody starts within the first day: minutes between the rounds of a conversation, hours between two.
    now = MONDAY + rng.uniform(0, 86_400)
    for number, question in enumerate(rng.choice(len(pool), size=conversations, replace=False)):
        rounds = pool[question]
        models = [str(model) for model in rng.choice(list(CHARACTERS), size=2, replace=False)]
        for turn in range(int(rng.integers(1, len(rounds) + 1))):
            ask = rounds[turn]
            now += rng.exponential(240.0)
            out.append(
                Comparison(
                    user=name,
                    conversation=f"{name}-{number:02d}",
                    turn=turn,
                    query=ask.query,
                    candidates=_vote(taste, ask, models, rng),
                    question=ask.question,
                    task=ask.task,
                    timestamp=float(round(now)),
                )
            )
        now += rng.exponential(20_000.0)
    return out


def _vote(taste: np.ndarray, ask: Ask, models: list[str], rng: np.random.Generator) -> tuple[Candidate, ...]:
    a, b = models
    # A logistic deviate makes P(a wins) the sigmoid of the difference of utilities: Bradley-Terry by construction.
    gap = utility(taste, a, ask.task) - utility(taste, b, ask.task) + rng.logistic()
    poor = all(_quality(CHARACTERS[model], ask.task) < 0.45 for model in models)
    winner = "model_a" if gap > 0 else "model_b"
    if abs(gap) < TIE_WIDTH:
        winner = "tie (bothbad)" if poor else "tie"
    *ratings, remark = winner_ratings(winner)
    # Drawn for every round, used or not, so that what one round holds does not shift the draws of the next.
    silent, talks = rng.random() < UNRATED, rng.random() < COMMENTED
    best = models[0] if gap > 0 else models[1]
    out = []
    for model, rating in zip(models, ratings, strict=True):
        # "Both bad" is a remark in itself and goes on both answers; praise goes on the winner's alone.
        comment = remark or (
            _praise(taste, model, ask.task) if talks and model == best and "tie" not in winner else None
        )
        # About four characters a token, and prices are $ per million tokens.
        cost = (
            len(ask.query) * CHARACTERS[model].prices[0] + len(ask.answers[model]) * CHARACTERS[model].prices[1]
        ) / 4e6
        out.append(
            Candidate(
                model, ask.answers[model], None if silent else rating, None if silent else comment, round(cost, 8)
            )
        )
    return tuple(out)


def _praise(taste: np.ndarray, model: str, task: str) -> str:
    """Say what pleased a user most about an answer; code can please only where there is some."""
    gains = taste * np.array(CHARACTERS[model].traits)
    if task != "coding":
        gains[TRAITS.index("code")] = -np.inf
    best = int(np.argmax(gains))
    return PRAISE[TRAITS[best]][int(taste[best] > 0)]


@lru_cache(maxsize=1)
def question_pool() -> tuple[tuple[Ask, ...], ...]:
    """Return the questions, each with its opening and the rounds that may follow, and every model's answers."""
    pool = []
    for name, task in TASKS.items():
        for number, slots in enumerate(task.slots):
            rounds = []
            for turn in range(ROUNDS[number]):
                asks = task.rounds[turn].asks
                answers = {model: _answer(model, name, task, number, turn) for model in CHARACTERS}
                query = asks[number % len(asks)].format(**slots)
                rounds.append(Ask(f"{name}-{number + 1}", name, query, answers))
            pool.append(tuple(rounds))
    return tuple(pool)


def _answer(model: str, name: str, task: Task, number: int, turn: int) -> str:
    """Write one answer in the manner of a model: its traits decide how much it says, and in which shape."""
    character, slots, content = CHARACTERS[model], task.slots[number], task.rounds[turn]
    length, lists, _, humour, code = character.traits
    # How talkative a model is decides how many of the points it makes, and whether it gives reasons.
    count = 4 if length > 0.3 else 3 if length > -0.3 else 2 if length > -0.6 else 1
    points = [point.format(**slots) for point in content.points[:count]]
    points = [point[0].upper() + point[1:] if turn or name != "coding" else point for point in points]
    if length > 0.3:
        points = [f"{point} {reason}" for point, reason in zip(points, content.reasons, strict=False)]
    # The weakest model fails on a third of the questions, so that its quality shows in its texts.
    if model == "pocket-1b" and number % 3 == 2:
        points = ["I am not sure about this one."]
    if humour > 0.5:
        points[-1] += " Easy peasy!" if number % 2 else " Who knew it could be this much fun?"
    if lists > 0.9:
        body = "\n".join(f"- {point}" for point in points)
    elif lists > 0.5:
        body = "\n".join(f"{i}. {point}" for i, point in enumerate(points, start=1))
    else:
        body = " ".join(points)
    shown = code > 0.05 and task.snippets and turn == 0
    snippet = f"```python\n{task.snippets[number]}\n```" if shown else ""
    # Who puts code first does so even before the greeting.
    parts = [snippet, character.opening, body, character.closing] if code > 0.9 else []
    parts = parts or [character.opening, body, snippet, character.closing]
    return "\n\n".join(part for part in parts if part)
