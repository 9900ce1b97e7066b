"""Draw users with low-rank tastes, and the rounds they rate; the formula stands at `World`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import numpy as np

from data_prep.simulate.feedback import FORMATS, rate
from data_prep.simulate.planted_texts import (
    FOLLOW_UPS,
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
START, PERIOD = 1_767_600_000.0, 90 * 86_400.0  # the time line all users share, UTC seconds
BETWEEN_ROUNDS = 120.0  # seconds
# Each chunk has a generator of its own, so another size would draw another population from the same seed.
USERS_AT_ONCE = 4096


@dataclass(frozen=True)
class PlantedSettings:
    """State how many users there are and what their taste depends on.

    Args:
        users, votes: Users, and rounds each of them rates.
        models, rank, topics, questions: Models, traits, topics and different questions.
        scale: Standard deviation of a user's utility over models and questions, in logits.
        strength_share, topical_share: Shares of its variance that all users have in common: how good
            a model is, and how good it is on a topic.
        modulation: How much the weight of a trait differs between topics; 0 not at all.
        topic_taste: Share of a user's taste that is drawn anew for each topic.
        noise_labels: Share of rounds rated as by a user of the opposite taste, such as flipped votes.
        ties: Share of votes that are ties: those in which the two answers felt closest.
        turns: Rounds of a conversation; the last one is shorter where votes are no multiple.
        wander: Half of the later rounds of a conversation move on to another topic.
        drift_at: Share of the time line after which taste changes; None: never.
        drift_size: Share of the taste that is drawn anew then; 1 all of it.
        mix_cost: Mean share of a user's taste that is a preference for cheap models.
        feedback: One of votes, ratings (five stars), rankings, thumbs, text (remarks without a
            rating), or mixed (each round one of them).
        leniency: Standard deviation, in logits, of how much better a user rates every answer by stars and thumbs.
        votes_kept: Share of rounds that are votes whatever `feedback` says, so that there are
            targets; 0.3 for text, else 0, where left out.
        candidates: Answers shown in a round; two, or four for a ranking, where left out. Votes are on two.
        responses: Write answers that show the models' traits.
        seed: Chooses everything.
        follow_ups: Share of later rounds that say nothing of their topic, which is that of the round before; they have
            no task either.

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
    leniency: float = 0.0
    follow_ups: float = 0.0

    def __post_init__(self) -> None:
        for name in ("users", "votes", "rank", "turns"):
            _require(name, getattr(self, name), 1, None)
        _require("models", self.models, 2, None)
        _require("topics", self.topics, 1, len(TOPICS))
        _require("questions", self.questions, self.topics, most_questions(self.topics))
        _require("scale", self.scale, 0, None)
        _require("leniency", self.leniency, 0, None)
        # By the ending of its name, so that a share which is added later is checked too.
        for field in fields(self):
            if field.name.endswith(("share", "taste", "labels", "ties", "size", "cost", "kept", "at", "ups")):
                _require(field.name, getattr(self, field.name), 0, 1)
        if self.strength_share + self.topical_share > 1:
            raise ConfigError("strength_share and topical_share add up to more than 1; lower one of them")
        if self.feedback not in (*FORMATS, "mixed"):
            raise ConfigError(f"feedback is {self.feedback!r}; expected one of {', '.join(FORMATS)}, mixed")
        if self.candidates is not None:
            _require("candidates", self.candidates, 2 if self.feedback in ("rankings", "mixed") else 1, self.models)

    @property
    def conversations(self) -> int:
        """Conversations of each user."""
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
    """Hold C rounds of some users, in the order of each user's time line.

    Args:
        user, conversation, turn, question: (C,) numbers; conversations count from 0 for each user.
        time: (C,) UTC seconds.
        shown: (C, K) models in the order shown, -1 under padding.
        rating: (C, K) in [0, 1], NaN where there is none.
        remark: (C, K) place in `planted_texts.remarks`, -1 where there is none.
        is_vote: (C,) whether two answers were voted on.
        follow_up: (C,) place in `planted_texts.FOLLOW_UPS`, -1 where the question itself is asked.
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
    follow_up: np.ndarray


def draw_world(settings: PlantedSettings) -> World:
    """Draw models, questions and tastes; user n has the same taste however many users there are."""
    rng = np.random.default_rng([settings.seed, 0])
    # 1. Models. They are standardised and not only drawn, for of ten models a draw may be all alike.
    m, r, t = settings.models, settings.rank, settings.topics
    strength = _standard(rng.normal(size=m))
    topic_strength = _standard(rng.normal(size=(m, t)))
    traits = _standard(rng.normal(size=(m, r)))
    modulation = 1 + settings.modulation * rng.normal(size=(t, r))
    # Every topic's weights get length √r, so that tastes are equally strong on all topics.
    modulation *= np.sqrt(r / (modulation**2).sum(axis=1, keepdims=True))
    # Half of the variance of the logarithm of a price is strength: good models tend to be dear, but not all are.
    log_price = 0.7 * strength + 0.7 * rng.normal(size=m)
    prices = np.round(np.exp(0.5 + 1.2 * log_price), 3)
    questions, question_topic = question_pool(t, settings.questions, rng)
    topics = tuple(TOPICS)[:t]
    models = {}
    for n, name in enumerate(model_names(m)):
        good = [topics[k] for k in np.argsort(-topic_strength[n])[:2] if topic_strength[n, k] > 0.7]
        text = describe_model(traits[n], float(strength[n]), good, float(prices[n]))
        models[name] = ModelInfo(text, float(round(prices[n] / 4, 4)), float(prices[n]))
    # 2. Tastes, divided by √r: the sum over r traits then has variance 1 whatever r is. Stream 1, 2 and 3 are for each
    #    kind, so that a setting which adds one does not redraw the others.
    taste = _user_normals(settings, 1, (r,)) / np.sqrt(r)
    after = np.zeros((0, r), np.float32)
    if settings.drift_at is not None:
        fresh = _user_normals(settings, 2, (r,)) / np.sqrt(r)
        # Shares of variance again, so that tastes are as strong after the drift as before it.
        after = np.sqrt(1 - settings.drift_size) * taste + np.sqrt(settings.drift_size) * fresh
    own = settings.topic_taste > 0
    topic_taste = _user_normals(settings, 3, (t, r)) / np.sqrt(r) if own else np.zeros((0, t, r), np.float32)
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
        # A logarithm, for prices span orders of magnitude; the floor, for a rounded price may be 0.
        cheapness=-_standard(np.log(np.maximum(prices, 1e-3))),
        question_topic=question_topic,
        taste=taste.astype(np.float32),
        taste_after=after.astype(np.float32),
        topic_taste=topic_taste.astype(np.float32),
        cost_weight=_cost_weights(settings),
        # The drift falls between two conversations, so that none of them holds two tastes.
        drift_time=None if settings.drift_at is None else _slot(settings) * _changed(settings) + START,
        settings=asdict(settings),
    )


def _standard(values: np.ndarray) -> np.ndarray:
    """Give (M, …) values mean 0 and variance 1 over the models, so that no draw is milder than another."""
    centred = values - values.mean(axis=0)
    return centred / np.maximum(centred.std(axis=0), 1e-9)


def _user_normals(settings: PlantedSettings, part: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw (U, …) normal numbers, chunk by chunk, so that they do not depend on how many users there are."""
    out = np.empty((settings.users, *shape), np.float32)
    for first in range(0, settings.users, USERS_AT_ONCE):
        rng = np.random.default_rng([settings.seed, part, first])
        # The chunk is drawn whole even where its end is not needed: a smaller population is the beginning of a larger
        # one.
        drawn = rng.standard_normal((USERS_AT_ONCE, *shape), dtype=np.float32)
        out[first : first + USERS_AT_ONCE] = drawn[: settings.users - first]
    return out


def _cost_weights(settings: PlantedSettings) -> np.ndarray:
    """Draw (U,) cost shares, a Beta distribution of the stated mean, most users well apart from it."""
    mean = settings.mix_cost
    # A Beta distribution needs both of its parameters above 0.
    if mean in (0.0, 1.0):
        return np.full(settings.users, mean, np.float32)
    out = np.empty(settings.users, np.float32)
    for first in range(0, settings.users, USERS_AT_ONCE):
        rng = np.random.default_rng([settings.seed, 4, first])
        out[first : first + USERS_AT_ONCE] = rng.beta(3 * mean, 3 * (1 - mean), USERS_AT_ONCE)[: settings.users - first]
    return out


def _slot(settings: PlantedSettings) -> float:
    """Return the seconds of the time line that each conversation has to itself."""
    return PERIOD / settings.conversations


def _changed(settings: PlantedSettings) -> int:
    """Return the number of the first conversation after the change of taste."""
    return round((settings.drift_at or 0.0) * settings.conversations)


def draw_rounds(world: World, settings: PlantedSettings) -> Iterator[Rounds]:
    """Draw all rounds, some thousand users at a time."""
    width = _tie_width(world, settings)
    # Rounds are bounded as well as users, for it is (rounds, models) arrays that fill the memory.
    at_once = max(1, min(USERS_AT_ONCE, 400_000 // settings.votes))
    for first in range(0, settings.users, at_once):
        users = np.arange(first, min(first + at_once, settings.users))
        yield _rounds(world, settings, users, np.random.default_rng([settings.seed, 5, first]), width)


def _rounds(
    world: World, settings: PlantedSettings, users: np.ndarray, rng: np.random.Generator, tie_width: float
) -> Rounds:
    # 1. Who rates what, and when. Conversations open in the first 0.6 of their slot and last 0.3 of it at most, so that
    #    none opens before the last one has ended.
    count = len(users) * settings.votes
    user, place = np.repeat(users, settings.votes), np.tile(np.arange(settings.votes), len(users))
    conversation, turn = place // settings.turns, place % settings.turns
    follow_up = _follow_ups(settings, turn, int(users[0]))
    question = _questions(world, settings, conversation, turn, follow_up >= 0, rng)
    slot = _slot(settings)
    opened = np.repeat(rng.random((len(users), settings.conversations)), settings.turns, axis=1)[:, : settings.votes]
    pause = min(BETWEEN_ROUNDS, 0.3 * slot / settings.turns)
    time = np.round(START + slot * (conversation + 0.6 * opened.reshape(-1)) + pause * turn, 3)
    # 2. What is shown. Sorting uniform numbers draws without repeats for all rounds at once, and all columns are drawn
    #    before some are cut, so that the form of feedback does not change what the next round shows.
    shown = np.argsort(rng.random((count, settings.models)), axis=1)[:, : settings.shown]
    kind = _formats(settings, count, rng)
    is_vote = kind == FORMATS.index("votes")
    shown[is_vote, 2:] = -1
    if settings.candidates is None:
        shown[kind != FORMATS.index("rankings"), 2:] = -1
    # 3. How the answers are felt. The difference of two Gumbel draws is logistic, so a vote follows the formula at
    #    `World`, and a ranking the Plackett-Luce model with the same utilities.
    weights = world.weights(user, world.question_topic[question], time)
    utility = np.take_along_axis(world.utilities(user, question, time), np.maximum(shown, 0), axis=1)
    # Tastes are reversed and not votes, so that noise means the same for every form of feedback.
    flipped = rng.random(count) < settings.noise_labels
    felt = np.where(flipped[:, None], -utility, utility) + rng.gumbel(size=shown.shape)
    # A stream of its own: a leniency does not change what is shown or felt.
    kind_by = settings.leniency * np.random.default_rng([settings.seed, 8, int(users[0])]).normal(size=len(users))
    told = felt
    if settings.leniency:
        rated = np.isin(kind, [FORMATS.index("ratings"), FORMATS.index("thumbs")])
        told = felt + np.where(rated, kind_by[user - users[0]], 0.0)[:, None]
    rating = rate(told, shown >= 0, kind, world.scale, tie_width)
    remark = np.full(shown.shape, -1)
    text = kind == FORMATS.index("text")
    if text.any():
        remark[text] = _remark(weights[text], world.traits, shown[text], felt[text], rng)
    return Rounds(user, conversation, turn, question, time, shown, rating, remark, is_vote, follow_up)


def _follow_ups(settings: PlantedSettings, turn: np.ndarray, first: int) -> np.ndarray:
    """Draw (C,) which follow-up stands in place of a question, -1 for none."""
    # A stream of its own: asking for follow-ups redraws nothing else.
    rng = np.random.default_rng([settings.seed, 7, first])
    drawn = rng.random(len(turn)) < settings.follow_ups
    return np.where(drawn & (turn > 0), rng.integers(len(FOLLOW_UPS), size=len(turn)), -1)


def _questions(
    world: World,
    settings: PlantedSettings,
    conversation: np.ndarray,
    turn: np.ndarray,
    stays: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw (C,) questions: a topic for each conversation, another question of it in each round that `stays` or not."""
    topics = settings.topics
    opening = rng.integers(topics, size=len(turn))
    moves = np.zeros(len(turn), dtype=np.int64)
    if settings.wander and topics > 1:
        moves = np.where(rng.random(len(turn)) < 0.5, rng.integers(1, topics, len(turn)), 0) * ((turn > 0) & ~stays)
    first = np.flatnonzero(turn == 0)
    of = np.cumsum(turn == 0) - 1
    walked = np.cumsum(moves)
    # One running sum over all conversations, less where each of them began.
    topic = (opening[first][of] + walked - walked[first][of]) % topics
    sizes = np.bincount(world.question_topic, minlength=topics)
    # `question_pool` deals topics out in turn: questions of one topic stand `topics` apart.
    return topic + topics * np.floor(rng.random(len(turn)) * sizes[topic]).astype(np.int64)


def _formats(settings: PlantedSettings, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (C,) the number of each round's form of feedback."""
    mixed = settings.feedback == "mixed"
    kind = rng.integers(len(FORMATS), size=count) if mixed else np.full(count, FORMATS.index(settings.feedback))
    kept = settings.votes_kept if settings.votes_kept is not None else 0.3 * (settings.feedback == "text")
    # 0 is the place of votes among `FORMATS`.
    return np.where(rng.random(count) < kept, 0, kind)


def _remark(
    weights: np.ndarray, traits: np.ndarray, shown: np.ndarray, felt: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose (C, K) remarks, on the trait that adds most to the utility of an answer or takes most from it."""
    parts = weights[:, None, :] * traits[np.maximum(shown, 0)]
    praised = felt > 0
    trait = np.argmax(np.where(praised[:, :, None], parts, -parts), axis=2)
    high = np.take_along_axis(traits[np.maximum(shown, 0)], trait[:, :, None], axis=2)[:, :, 0] > 0
    code = remark_code(trait, high, praised, rng.integers(len(PRAISE), size=shown.shape))
    return np.where(shown >= 0, code, -1)


def _tie_width(world: World, settings: PlantedSettings) -> float:
    """Return how near two answers must feel for a tie, so that the stated share of votes ties."""
    if not settings.ties:
        return 0.0
    # A stream of its own: asking for ties does not change what is shown or felt.
    rng = np.random.default_rng([settings.seed, 6])
    count = 20_000
    user = rng.integers(settings.users, size=count)
    question = rng.integers(settings.questions, size=count)
    pair = np.argsort(rng.random((count, settings.models)), axis=1)[:, :2]
    utility = np.take_along_axis(world.utilities(user, question), pair, axis=1)
    # Logistic, as the difference of the two Gumbel draws in `_rounds`.
    gap = np.abs(utility[:, 0] - utility[:, 1] + rng.logistic(size=count))
    return float(np.quantile(gap, settings.ties))
