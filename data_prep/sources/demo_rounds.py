"""Draw the rounds that people of the demo have, and what they say of the answers: votes, stars, thumbs and words."""

from __future__ import annotations

import math

import numpy as np

from data_prep.sources.demo_answers import Ask, question_pool
from data_prep.sources.demo_characters import CHARACTERS, TRAITS
from data_prep.sources.demo_people import Person, quality
from gmt.data.comparisons import Candidate, Comparison, winner_ratings

MONDAY = 1_767_600_000.0  # the first vote of the demo, UTC seconds
TIE_WIDTH = 0.3  # in logits: nearer than this the two answers tie
UNRATED = 0.08  # share of rounds that are shown and not rated
COMMENTED = 0.15  # share of votes with a remark on the winner
STAR_WIDTH = 1.2  # logits between two thresholds of the five stars
FORMS = {"votes": 0.55, "two stars": 0.15, "stars": 0.1, "thumb": 0.1, "words": 0.1}
"""Forms of what is said -> share of conversations; the last three show one answer."""

PRAISE = {
    "length": ("Short and to the point.", "I like that it explains everything."),
    "lists": ("Reads well as flowing text.", "The list makes it easy to scan."),
    "formality": ("Pleasantly relaxed.", "Polite and professional."),
    "humour": ("Serious, as it should be.", "This made me laugh."),
    "code": ("Good that it stays with words.", "Great, code I can run."),
}
BLAME = {
    "length": ("Far too short for me.", "Far too long, I gave up reading."),
    "lists": ("One block of text, hard to read.", "Why is everything a list?"),
    "formality": ("Too casual for my taste.", "Stiff and distant."),
    "humour": ("Dry as dust.", "Please spare me the jokes."),
    "code": ("Where is the code?", "I did not ask for code."),
}
"""Remarks for an answer below and above what the person would have it."""


def life(
    person: Person, rng: np.random.Generator, conversations: int, forms: dict[str, float] | None = None
) -> list[Comparison]:
    """Draw the conversations of one user; a conversation keeps its models and its form, as in an arena or a chat.

    Args:
        person: Who asks.
        rng: For everything drawn.
        conversations: How many.
        forms: As `FORMS`, which is the default.
    """
    pool, forms = question_pool(), forms or FORMS
    out = []
    # Everybody starts within the first day: minutes between the rounds of a conversation, hours between two.
    now = MONDAY + rng.uniform(0, 86_400)
    for number, question in enumerate(rng.choice(len(pool), size=conversations, replace=False)):
        rounds = pool[question]
        form = str(rng.choice(list(forms), p=list(forms.values())))
        models = [str(model) for model in rng.choice(list(CHARACTERS), size=2, replace=False)]
        shown = models if form in ("votes", "two stars") else models[:1]
        for turn in range(int(rng.integers(1, len(rounds) + 1))):
            ask = rounds[turn]
            now += rng.exponential(240.0)
            out.append(
                Comparison(
                    user=person.name,
                    conversation=f"{person.name}-{number:02d}",
                    turn=turn,
                    query=ask.query,
                    candidates=_answered(person, ask, shown, form, rng),
                    question=ask.question,
                    task=ask.task,
                    timestamp=float(round(now)),
                )
            )
        now += rng.exponential(20_000.0)
    return out


def _answered(
    person: Person, ask: Ask, models: list[str], form: str, rng: np.random.Generator
) -> tuple[Candidate, ...]:
    # Gumbel noise on each answer makes P(a wins) the sigmoid of the difference of utilities: Bradley-Terry.
    felt = [person.utility(model, ask.task) + float(rng.gumbel()) for model in models]
    # Drawn for every round, used or not, so that what one round holds does not shift the draws of the next.
    silent, talks = rng.random() < UNRATED, rng.random() < COMMENTED
    said = _vote(person, ask, models, felt, talks) if form == "votes" else _alone(person, ask, models, felt, form)
    return tuple(
        Candidate(model, ask.answers[model], *((None, None) if silent else one), cost=_cost(ask, model))
        for model, one in zip(models, said, strict=True)
    )


def _vote(
    person: Person, ask: Ask, models: list[str], felt: list[float], talks: bool
) -> list[tuple[float | None, str | None]]:
    """Return (rating, remark) of two answers that were compared."""
    gap = felt[0] - felt[1]
    poor = all(quality(CHARACTERS[model], ask.task) < 0.45 for model in models)
    winner = "model_a" if gap > 0 else "model_b"
    if abs(gap) < TIE_WIDTH:
        winner = "tie (bothbad)" if poor else "tie"
    *ratings, remark = winner_ratings(winner)
    # "Both bad" is a remark in itself and goes on both answers; praise goes on the winner's alone.
    return [
        (rating, remark or (_remark(person, model, ask.task, True) if talks and rating == 1 else None))
        for model, rating in zip(models, ratings, strict=True)
    ]


def _alone(
    person: Person, ask: Ask, models: list[str], felt: list[float], form: str
) -> list[tuple[float | None, str | None]]:
    """Return (rating, remark) of answers that were each held against what the person is used to in the task."""
    # A Gumbel deviate has Euler's constant as its mean.
    gains = [one - np.euler_gamma - person.usual[ask.task] + person.leniency for one in felt]
    if form == "thumb":
        return [(float(gain > 0), None) for gain in gains]
    if form == "words":
        return [(None, _remark(person, model, ask.task, gain > 0)) for model, gain in zip(models, gains, strict=True)]
    # Four thresholds, evenly around what is usual; the middle level is three stars.
    return [(min(max(math.floor(gain / STAR_WIDTH + 2.5), 0), 4) / 4, None) for gain in gains]


def _remark(person: Person, model: str, task: str, glad: bool) -> str:
    """Name what pleased, or displeased, most about an answer; code can do so only where there is some."""
    traits = np.array(CHARACTERS[model].traits)
    gains = person.tastes[task] * traits * (1 if glad else -1)
    if task != "coding":
        gains[TRAITS.index("code")] = -np.inf
    at = int(np.argmax(gains))
    # Praise says what the person wants; blame says on which side of that the answer lies.
    return PRAISE[TRAITS[at]][int(person.tastes[task][at] > 0)] if glad else BLAME[TRAITS[at]][int(traits[at] > 0)]


def _cost(ask: Ask, model: str) -> float:
    """Return the price of an answer in $: about four characters a token, prices per million tokens."""
    prices = CHARACTERS[model].prices
    return round((len(ask.query) * prices[0] + len(ask.answers[model]) * prices[1]) / 4e6, 8)
