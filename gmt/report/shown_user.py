"""Hold what a page shows of a user, with its texts as they are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gmt.serving.decision import Choice


@dataclass(frozen=True)
class ShownText:
    """Hold a text as a page shows it.

    Args:
        text: Its beginning; None where texts are not shown.
        characters: Its length.
        is_cut: Whether there is more of it than is shown.
    """

    text: str | None
    characters: int
    is_cut: bool


@dataclass(frozen=True)
class ShownAnswer:
    """Hold an answer of a round, its texts None where there are none."""

    model: str
    response: ShownText | None
    rating: float | None
    feedback: ShownText | None
    signal: str | None


@dataclass(frozen=True)
class ShownRound:
    """Hold a round of a user; `day` is None where the data state no time."""

    query: ShownText
    turn: int
    day: str | None
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True)
class ShownReason:
    """Hold a past round and what it adds to the score of the chosen model."""

    query: ShownText
    said: str
    effect: float


@dataclass(frozen=True)
class ShownReasons:
    """Hold the past rounds that speak for a choice, or those that speak against it.

    Args:
        strongest: The strongest, strongest first.
        others: How many more there are.
        rest: What these add together.
    """

    strongest: tuple[ShownReason, ...]
    others: int
    rest: float

    @property
    def total(self) -> float:
        """What all of them add."""
        return math.fsum([*(one.effect for one in self.strongest), self.rest])


@dataclass(frozen=True)
class ShownQuestion:
    """Hold a question that was asked of the run anew.

    Args:
        query: The question.
        said: What the user said when it was asked; None where it is somebody else's.
        ranking: The models shown, best first, with their places.
        models: How many were ranked.
        speak_for, speak_against: The user's rounds that raised and that lowered the first model's score.
        margin: What all rounds add to that score.
        agrees: Whether the user's preference and the ranking agree; None where there is none to compare.
    """

    query: ShownText
    said: ShownRound | None
    ranking: tuple[tuple[int, Choice], ...]
    models: int
    speak_for: ShownReasons
    speak_against: ShownReasons
    margin: float
    agrees: bool | None


@dataclass(frozen=True)
class UserCard:
    """Hold what a page shows of a user.

    Args:
        name: As it is shown.
        rounds: How many the run remembers.
        rated: How many of them are rated.
        history: The latest ones, newest first.
        likings: Model, mean score for the user, the same for an unknown user; the user's best first.
        questions: Those asked anew.
        note: Why there are none, or of what kind they are.
    """

    name: str
    rounds: int
    rated: int
    history: tuple[ShownRound, ...]
    likings: tuple[tuple[str, float, float], ...]
    questions: tuple[ShownQuestion, ...]
    note: str
