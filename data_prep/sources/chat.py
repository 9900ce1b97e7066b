"""Read OpenAI-style chats whose assistant turns carry a `model` and a `rating` or `feedback`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.read.cells import answer, label, needed, number, scale_text, text, timestamp
from data_prep.read.chat_messages import ANSWERS, ASKS, INSTRUCTIONS, TOOLS
from data_prep.read.labels import OUR_LABELS, THUMBS, Labels, read_labels
from data_prep.read.rated_input import Grouping, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.data.signals import SIGNALS
from gmt.errors import DataError

FIELDS = ("messages",)
MEANT = "conversations with user and messages, whose assistant turns have model and rating or feedback"
PEOPLE, TALKS = ("user", "user_id"), ("conversation", "conversation_id", "id")


@dataclass(frozen=True)
class Said:
    """Hold what is said of answers: which scale and which words.

    Args:
        scale: The worst and the best rating; None stands for 0 to 1.
        labels: Words of ratings.
    """

    scale: tuple[float, float] | None = None
    labels: Labels = OUR_LABELS

    def candidate(self, model: str, response: str | None, message: Mapping[str, Any]) -> Candidate:
        """Return an answer with its `rating`, `feedback`, `cost` and `signal`.

        A thumb that stands as `feedback` is a rating; other words are a remark. `feedback` may be an object of
        `rating` and `comment`.
        """
        rating, remark = message.get("rating"), message.get("feedback")
        if isinstance(remark, Mapping):
            rating = remark.get("rating", remark.get("score")) if rating is None else rating
            remark = remark.get("comment", remark.get("text"))
        said = text(remark, "feedback")
        if rating is None and said is not None and (said.strip().casefold() in THUMBS or said in self.labels.words):
            rating, said = said.strip(), None
        return Candidate(
            model,
            response,
            self.labels.rating(rating, "rating", self.scale),
            said,
            number(message.get("cost"), "cost"),
            label(message.get("signal"), "signal") if message.get("signal") in SIGNALS else None,
        )


@dataclass
class _Round:
    asked: list[str] = field(default_factory=list)
    answers: list[Candidate] = field(default_factory=list)


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read one conversation a line (or a JSON list of them): `user, messages`, and `id, task, timestamp` if known.

    Several assistant turns after one question, of different models, are answers to choose from; of one model only the
    last counts, for it replaced the others. Instructions and tools' messages are passed over.

    Args:
        input: A JSONL or JSON file, or a folder of them.
        options: Only `rating_scale` and `labels` are used.

    Raises:
        DataError: Ratings outside 0..1 came without their scale.
    """
    said = Said(options.rating_scale, read_labels(options.labels))
    found = read_rated(input, partial(_conversation, said=said), options.mapper, Grouping(line_is_conversation=True))
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, MEANT)
    return RawData.of_input(found, scale_text(options.rating_scale), conversations=True)


def _conversation(file: str, line: int, row: Row, said: Said) -> list[RatedRow]:
    user = next((found for name in PEOPLE if (found := label(row.get(name), name)) is not None), None)
    if user is None and isinstance(row.get("metadata"), Mapping):
        user = label(row["metadata"].get("user_id"), "metadata.user_id")
    user = needed(user, "user")
    name = next((found for key in TALKS if (found := label(row.get(key), key)) is not None), f"{file}/{line}")
    task, when = label(row.get("task"), "task"), timestamp(row.get("timestamp", row.get("created")))
    rounds = rated_rounds(row.get("messages"), said, label(row.get("model"), "model"))
    if not rounds:
        raise DataError("messages hold no answered question; expected one or more")
    return [
        RatedRow(file, line, user, query, answers, name, turn, None, None, task, when)
        for turn, (query, answers) in enumerate(rounds)
    ]


def rated_rounds(value: Any, said: Said, model: str | None = None) -> list[tuple[str, Sequence[Candidate]]]:
    """Cut messages into rounds of a query and its answers.

    Args:
        value: The messages.
        said: How ratings are written.
        model: Who answered, where a message does not say it.

    Raises:
        DataError: These are no such messages, or an answer names no model.
    """
    if not isinstance(value, list) or not all(isinstance(message, Mapping) for message in value):
        raise DataError(f"messages is {type(value).__name__}; expected a list of role and content")
    rounds, now = [], _Round()
    for place, message in enumerate(value, start=1):
        role = message.get("role")
        if role == ASKS:
            if now.answers:
                rounds.append(now)
                now = _Round()
            now.asked.append(needed(answer(message.get("content"), f"message {place}"), f"message {place}"))
        elif role == ANSWERS:
            _take(now, message, place, said, model)
        elif role not in (*INSTRUCTIONS, *TOOLS):
            raise DataError(f"message {place} is from {role!r}; expected user or assistant")
    rounds += [now] if now.answers else []
    return [(needed(text("\n".join(one.asked), "a question"), "a question"), one.answers) for one in rounds]


def _take(now: _Round, message: Mapping[str, Any], place: int, said: Said, model: str | None) -> None:
    response = answer(message.get("content"), f"message {place}")
    # A greeting before any question, and the call of a tool, are no answers.
    if not now.asked or (message.get("tool_calls") and not response):
        return
    name = label(message.get("model"), f"the model of message {place}") or model
    if name is None:
        raise DataError(f"message {place} names no model; expected model beside its content")
    now.answers = [one for one in now.answers if one.model != name] + [said.candidate(name, response, message)]
