"""Hold one round as its source gives it: a user's query, the answers of models to it, and their ratings."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass

from gmt.data.signals import signal_code
from gmt.errors import DataError

HALF = re.compile("[\ud800-\udfff]")  # of a character beyond the basic plane; no UTF-8 can hold it alone
LAST_TURN = 2**31 - 1  # turns are written as 32-bit numbers


def check_text(value: str | None, name: str) -> None:
    """Refuse a text that no file can hold.

    Raises:
        DataError: It holds half a character.
    """
    half = None if value is None or value.isascii() else HALF.search(value)
    if half is not None:
        raise DataError(f"{name} holds half a character ({ascii(half.group())[1:-1]}, a lone surrogate); remove it")


def text_id(text: str) -> str:
    """Return a short stable id of a text (first 16 hex digits of its SHA-256)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold one model's answer within a comparison.

    Args:
        model: Name of the model that answered.
        response: Its answer, or None where the source does not keep it.
        rating: Rating in [0, 1], scaled by the source's own scale; None where nobody rated.
        feedback: Free-text feedback on this answer.
        cost: Price paid for this answer, any one unit per source.
        signal: What the user did with it, one of `SIGNALS`.

    Raises:
        DataError: The name is empty, a text holds half a character, the rating or cost is no finite number in range, or
            there is no such signal.
    """

    model: str
    response: str | None = None
    rating: float | None = None
    feedback: str | None = None
    cost: float | None = None
    signal: str | None = None

    def __post_init__(self) -> None:
        if not self.model or not self.model.strip():
            raise DataError("a candidate has no model name; expected a non-empty name")
        for name in ("model", "response", "feedback"):
            check_text(getattr(self, name), name)
        signal_code(self.signal)
        if self.rating is not None and not (math.isfinite(self.rating) and 0.0 <= self.rating <= 1.0):
            raise DataError(
                f"rating {self.rating} of model {self.model} is outside [0, 1]; scale it by the source's own scale"
            )
        if self.cost is not None and not math.isfinite(self.cost):
            raise DataError(f"cost {self.cost} of model {self.model} is not finite; leave it out where unknown")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold one round: a user asked something and saw the answers of one or more models.

    Args:
        user: Name of the user.
        conversation: Name of the conversation; rounds of one conversation share it.
        turn: Number of the round within its conversation, from 0.
        query: Text of the query.
        candidates: The answers in the order they were shown; each model once.
        question: The source's id of the question; defaults to a hash of the query.
        task: Name of the task or category.
        timestamp: UTC seconds since the epoch.

    Raises:
        DataError: A name is empty, a text holds half a character, the turn is negative or too large, the time is not
            finite, or a model stands twice.
    """

    user: str
    conversation: str
    turn: int
    query: str
    candidates: tuple[Candidate, ...]
    question: str | None = None
    task: str | None = None
    timestamp: float | None = None

    def __post_init__(self) -> None:
        if not self.user or not self.user.strip():
            raise DataError("user is empty; expected a non-empty name")
        if not self.conversation:
            raise DataError("conversation is empty; expected a non-empty name")
        for name in ("user", "conversation", "query", "question", "task"):
            check_text(getattr(self, name), name)
        if self.turn < 0:
            raise DataError(f"turn is {self.turn}; turns count from 0")
        if self.turn > LAST_TURN:
            raise DataError(f"turn is above {LAST_TURN:,}; number the rounds of a conversation from 0")
        if self.timestamp is not None and not math.isfinite(self.timestamp):
            raise DataError(f"timestamp is {self.timestamp}; leave it out where unknown")
        if not self.candidates:
            raise DataError("no model answered; expected at least one candidate")
        names = [candidate.model for candidate in self.candidates]
        # Votes and graphs name an answer by its model, so two answers of one could not be kept apart.
        if len(set(names)) < len(names):
            raise DataError(f"a model stands twice in one comparison ({', '.join(names)}); expected each model once")

    def texts(self) -> list[str]:
        """Return every text: the query, then answers and feedback."""
        found = [self.query]
        for candidate in self.candidates:
            found += [text for text in (candidate.response, candidate.feedback) if text is not None]
        return found


def winner_ratings(winner: str) -> tuple[float, float, str | None]:
    """Translate a pairwise verdict into (rating of a, rating of b, feedback).

    `winner` is one of `model_a`, `model_b`, `tie`, `tie (bothbad)`; a tie is 0.5 and 0.5.

    Raises:
        DataError: The verdict is none of these.
    """
    known = {
        "model_a": (1.0, 0.0, None),
        "model_b": (0.0, 1.0, None),
        "tie": (0.5, 0.5, None),
        # A verdict compares and knows no scale: both bad is a tie, and what it says more is kept as feedback.
        "tie (bothbad)": (0.5, 0.5, "both bad"),
    }
    if winner not in known:
        raise DataError(f"winner is {winner!r}; expected one of {', '.join(known)}")
    return known[winner]
