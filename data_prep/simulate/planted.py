"""Draw people with low-rank tastes, and the rounds they rate; the formula stands at `World`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import numpy as np

from data_prep.simulate.feedback import FORMATS, rate
from data_prep.simulate.planted_texts import (
    PRAISE,
    TOPICS,
    describe_model,
    model_names,
    most_questions,
    question_pool,
    remark_code,
)
from data_prep.simulate.world import World
from gmt.data.dataset import ModelInfo
from gmt.errors import ConfigError

RANKED = 4  # answers shown for a ranking
START, PERIOD = 1_767_600_000.0, 90 * 86_400.0  # the time line everybody shares, UTC seconds
BETWEEN_ROUNDS = 120.0  # seconds
PEOPLE_AT_ONCE = 4096


@dataclass(frozen=True)
class PlantedSettings:
    """State how many people there are and what their taste depends on.

    Args:
        users, votes: People, and rounds each of them rates.
        models, rank, topics, questions: Models, traits, topics and different questions.
        scale: Standard deviation of a person's utility over models and questions, in logits.
        strength_share, topical_share: Shares of its variance that everybody has in common: how good
            a model is, and how good it is on a topic.
        modulation: How much the weight of a trait differs between topics; 0 not at all.
        topic_taste: Share of a person's taste that is drawn anew for each topic.
        noise_labels: Share of rounds rated as by somebody of the opposite taste, such as flipped votes.
        ties: Share of votes that are ties: those in which the two answers felt closest.
        turns: Rounds of a conversation; the last one is shorter where votes are no multiple.
        wander: Half of the later rounds of a conversation move on to another topic.
        drift_at: Share of the time line after which taste changes; None: never.
        drift_size: Share of the taste that is drawn anew then; 1 all of it.
        mix_cost: Mean share of a person's taste that is a liking for cheap models.
        feedback: One of votes, ratings (five stars), rankings, thumbs, text (remarks without a
            rating), or mixed (each round one of them).
        votes_kept: Share of rounds that are votes whatever `feedback` says, so that there is
            something to ask; 0.3 for text, else 0, where left out.
        candidates: Answers shown in a round; two, or four for a ranking, where left out. Votes are on two.
        responses: Write answers that show the models' traits.
        seed: Chooses everything.

    Raises:
        ConfigError: A number is out of range.
    """

    users: int = 200
    votes: int = 40
    models: int = 10
    rank: int = 3
    topics: int = 8
    questions: int = 320
    scale: float = 3.4
    strength_share: float = 0.05
    topical_share: float = 0.04
    modulation: float = 1.0
    topic_taste: float = 0.0
    noise_labels: float = 0.0
    ties: float = 0.0
    turns: int = 1
    wander: bool = False
    drift_at: float | None = None
    drift_size: float = 1.0
    mix_cost: float = 0.0
    feedback: str = "votes"
    votes_kept: float | None = None
    candidates: int | None = None
    responses: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("users", "votes", "rank", "turns"):
            _require(name, getattr(self, name), 1, None)
        _require("models", self.models, 2, None)
        _require("topics", self.topics, 1, len(TOPICS))
        _require("questions", self.questions, self.topics, most_questions(self.topics))
        _require("scale", self.scale, 0, None)
        for field in fields(self):
            if field.name.endswith(("share", "taste", "labels", "ties", "size", "cost", "kept", "at")):
                _require(field.name, getattr(self, field.name), 0, 1)
        if self.strength_share + self.topical_share > 1:
            raise ConfigError("strength_share and topical_share add up to more than 1; lower one of them")
        if self.feedback not in (*FORMATS, "mixed"):
            raise ConfigError(f"feedback is {self.feedback!r}; expected one of {', '.join(FORMATS)}, mixed")
        if self.candidates is not None:
            _require("candidates", self.candidates, 2 if self.feedback in ("rankings", "mixed") else 1, self.models)

    @property
    def conversations(self) -> int:
        """Conversations of each person."""
        return math.ceil(self.votes / self.turns)

    @property
    def shown(self) -> int:
        """Most answers shown in a round."""
        ranks = self.feedback in ("rankings", "mixed")
        return min(self.candidates or (RANKED if ranks else 2), self.models)


def _require(name: str, value: float | None, low: float, high: float | None) -> None:
    if value is None or (low <= value and (high is None or value <= high)):
        return
    wanted = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    shown = str(value) if isinstance(value, int) else f"{value:g}"  # a number of 400 digits has no :g
    raise ConfigError(f"{name} is {shown}; expected {wanted}")


@dataclass(frozen=True, eq=False)
class Rounds:
    """Hold C rounds of some people, in the order of each person's time line.

    Args:
        user, conversation, turn, question: (C,) numbers; conversations count from 0 for each person.
        time: (C,) UTC seconds.
        shown: (C, K) models in the order shown, -1 under padding.
        rating: (C, K) in [0, 1], NaN where there is none.
        remark: (C, K) place in `planted_texts.remarks`, -1 where nothing was said.
        is_vote: (C,) whether two answers were voted on.
    """

    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    question: np.ndarray
    time: np.ndarray
    shown: np.ndarray
    rating: np.ndarray
    remark: np.ndarray
    is_vote: np.ndarray


def draw_world(settings: PlantedSettings) -> World:
    """Draw models, questions and everybody's taste; person n has the same taste however many people there are."""
    rng = np.random.default_rng([settings.seed, 0])
    m, r, t = settings.models, settings.rank, settings.topics
    strength = _standard(rng.normal(size=m))
    topic_strength = _standard(rng.normal(size=(m, t)))
    traits = _standard(rng.normal(size=(m, r)))
    modulation = 1 + settings.modulation * rng.normal(size=(t, r))
    modulation *= np.sqrt(r / (modulation**2).sum(axis=1, keepdims=True))
    log_price = 0.7 * strength + 0.7 * rng.normal(size=m)
    prices = np.round(np.exp(0.5 + 1.2 * log_price), 3)
    questions, question_topic = question_pool(t, settings.questions, rng)
    topics = tuple(TOPICS)[:t]
    models = {}
    for n, name in enumerate(model_names(m)):
        good = [topics[k] for k in np.argsort(-topic_strength[n])[:2] if topic_strength[n, k] > 0.7]
        text = describe_model(traits[n], float(strength[n]), good, float(prices[n]))
        models[name] = ModelInfo(text, float(round(prices[n] / 4, 4)), float(prices[n]))
    taste = _people(settings, 1, (r,)) / np.sqrt(r)
    after = np.zeros((0, r), np.float32)
    if settings.drift_at is not None:
        fresh = _people(settings, 2, (r,)) / np.sqrt(r)
        after = np.sqrt(1 - settings.drift_size) * taste + np.sqrt(settings.drift_size) * fresh
    own = settings.topic_taste > 0
    topic_taste = _people(settings, 3, (t, r)) / np.sqrt(r) if own else np.zeros((0, t, r), np.float32)
    return World(
        models=models,
        questions=tuple(questions),
        topics=topics,
        scale=settings.scale,
        shares=(settings.strength_share, settings.topical_share, 1 - settings.strength_share - settings.topical_share),
        topic_share=settings.topic_taste,
        strength=strength,
        topic_strength=topic_strength,
        traits=traits,
        modulation=modulation,
        cheapness=-_standard(np.log(np.maximum(prices, 1e-3))),
        question_topic=question_topic,
        taste=taste.astype(np.float32),
        taste_after=after.astype(np.float32),
        topic_taste=topic_taste.astype(np.float32),
        cost_weight=_cost_weights(settings),
        drift_time=None if settings.drift_at is None else _slot(settings) * _changed(settings) + START,
        settings=asdict(settings),
    )


def _standard(values: np.ndarray) -> np.ndarray:
    """Give (M, …) values mean 0 and variance 1 over the models, so that no draw is milder than another."""
    centred = values - values.mean(axis=0)
    return centred / np.maximum(centred.std(axis=0), 1e-9)


def _people(settings: PlantedSettings, part: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw (U, …) normal numbers, chunk by chunk, so that they do not depend on how many people there are."""
    out = np.empty((settings.users, *shape), np.float32)
    for first in range(0, settings.users, PEOPLE_AT_ONCE):
        rng = np.random.default_rng([settings.seed, part, first])
        drawn = rng.standard_normal((PEOPLE_AT_ONCE, *shape), dtype=np.float32)
        out[first : first + PEOPLE_AT_ONCE] = drawn[: settings.users - first]
    return out


def _cost_weights(settings: PlantedSettings) -> np.ndarray:
    """Draw (U,) cost shares, a Beta distribution of the stated mean, most people well apart from it."""
    mean = settings.mix_cost
    if mean in (0.0, 1.0):
        return np.full(settings.users, mean, np.float32)
    out = np.empty(settings.users, np.float32)
    for first in range(0, settings.users, PEOPLE_AT_ONCE):
        rng = np.random.default_rng([settings.seed, 4, first])
        out[first : first + PEOPLE_AT_ONCE] = rng.beta(3 * mean, 3 * (1 - mean), PEOPLE_AT_ONCE)[
            : settings.users - first
        ]
    return out


def _slot(settings: PlantedSettings) -> float:
    """Return the seconds of the time line that each conversation has to itself."""
    return PERIOD / settings.conversations


def _changed(settings: PlantedSettings) -> int:
    """Return the number of the first conversation after the change of taste."""
    return round((settings.drift_at or 0.0) * settings.conversations)


def draw_rounds(world: World, settings: PlantedSettings) -> Iterator[Rounds]:
    """Draw everybody's rounds, some thousand people at a time."""
    width = _tie_width(world, settings)
    at_once = max(1, min(PEOPLE_AT_ONCE, 400_000 // settings.votes))
    for first in range(0, settings.users, at_once):
        people = np.arange(first, min(first + at_once, settings.users))
        yield _rounds(world, settings, people, np.random.default_rng([settings.seed, 5, first]), width)


def _rounds(
    world: World, settings: PlantedSettings, people: np.ndarray, rng: np.random.Generator, tie_width: float
) -> Rounds:
    count = len(people) * settings.votes
    user, place = np.repeat(people, settings.votes), np.tile(np.arange(settings.votes), len(people))
    conversation, turn = place // settings.turns, place % settings.turns
    question = _questions(world, settings, conversation, turn, rng)
    slot = _slot(settings)
    opened = np.repeat(rng.random((len(people), settings.conversations)), settings.turns, axis=1)[:, : settings.votes]
    pause = min(BETWEEN_ROUNDS, 0.3 * slot / settings.turns)
    time = np.round(START + slot * (conversation + 0.6 * opened.reshape(-1)) + pause * turn, 3)
    shown = np.argsort(rng.random((count, settings.models)), axis=1)[:, : settings.shown]
    kind = _formats(settings, count, rng)
    is_vote = kind == FORMATS.index("votes")
    shown[is_vote, 2:] = -1
    if settings.candidates is None:
        shown[kind != FORMATS.index("rankings"), 2:] = -1
    weights = world.weights(user, world.question_topic[question], time)
    liked = np.take_along_axis(world.utilities(user, question, time), np.maximum(shown, 0), axis=1)
    flipped = rng.random(count) < settings.noise_labels
    felt = np.where(flipped[:, None], -liked, liked) + rng.gumbel(size=shown.shape)
    rating = rate(felt, shown >= 0, kind, world.scale, tie_width)
    remark = np.full(shown.shape, -1)
    text = kind == FORMATS.index("text")
    if text.any():
        remark[text] = _remark(weights[text], world.traits, shown[text], felt[text], rng)
    return Rounds(user, conversation, turn, question, time, shown, rating, remark, is_vote)


def _questions(
    world: World, settings: PlantedSettings, conversation: np.ndarray, turn: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw (C,) questions: a topic for each conversation, another question of it in each round."""
    topics = settings.topics
    opening = rng.integers(topics, size=len(turn))
    moves = np.zeros(len(turn), dtype=np.int64)
    if settings.wander and topics > 1:
        moves = np.where(rng.random(len(turn)) < 0.5, rng.integers(1, topics, len(turn)), 0) * (turn > 0)
    first = np.flatnonzero(turn == 0)
    of = np.cumsum(turn == 0) - 1
    walked = np.cumsum(moves)
    topic = (opening[first][of] + walked - walked[first][of]) % topics
    sizes = np.bincount(world.question_topic, minlength=topics)
    return topic + topics * np.floor(rng.random(len(turn)) * sizes[topic]).astype(np.int64)


def _formats(settings: PlantedSettings, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (C,) the number of each round's form of feedback."""
    mixed = settings.feedback == "mixed"
    kind = rng.integers(len(FORMATS), size=count) if mixed else np.full(count, FORMATS.index(settings.feedback))
    kept = settings.votes_kept if settings.votes_kept is not None else 0.3 * (settings.feedback == "text")
    return np.where(rng.random(count) < kept, 0, kind)


def _remark(
    weights: np.ndarray, traits: np.ndarray, shown: np.ndarray, felt: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose (C, K) remarks: the trait that speaks most for an answer liked, or against one disliked."""
    parts = weights[:, None, :] * traits[np.maximum(shown, 0)]
    liked = felt > 0
    trait = np.argmax(np.where(liked[:, :, None], parts, -parts), axis=2)
    high = np.take_along_axis(traits[np.maximum(shown, 0)], trait[:, :, None], axis=2)[:, :, 0] > 0
    code = remark_code(trait, high, liked, rng.integers(len(PRAISE), size=shown.shape))
    return np.where(shown >= 0, code, -1)


def _tie_width(world: World, settings: PlantedSettings) -> float:
    """Return how near two answers must feel for a tie, so that the stated share of votes ties."""
    if not settings.ties:
        return 0.0
    rng = np.random.default_rng([settings.seed, 6])
    count = 20_000
    user = rng.integers(settings.users, size=count)
    question = rng.integers(settings.questions, size=count)
    pair = np.argsort(rng.random((count, settings.models)), axis=1)[:, :2]
    liked = np.take_along_axis(world.utilities(user, question), pair, axis=1)
    gap = np.abs(liked[:, 0] - liked[:, 1] + rng.logistic(size=count))
    return float(np.quantile(gap, settings.ties))
