"""Cut chat messages into rounds: the one reader of conversations, for sources and for `gmt route --conversation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_prep.read.cells import answer, label, shown
from data_prep.read.json_text import parse_json
from gmt.errors import DataError

INSTRUCTIONS = ("system", "developer")
TOOLS = ("tool", "function")
ASKS, ANSWERS = "user", "assistant"


@dataclass(frozen=True)
class ChatRound:
    """Hold one round of a conversation.

    Args:
        query: What the user wrote; messages that followed one another are joined by line breaks.
        answer: What was answered, likewise; None where no message says it.
        model: Who answered, where the messages name it.
    """

    query: str
    answer: str | None
    model: str | None = None


@dataclass
class _Open:
    """Hold the round that is being read."""

    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    model: str | None = None
    answered: bool = False


def message_rounds(value: Any, name: str) -> list[ChatRound]:
    """Cut chat messages into rounds.

    Instructions (`system`, `developer`), tools' messages and a greeting before the first question are passed over. So
    is the step in which an assistant calls a tool and says nothing. A last question without an answer is no round.

    Args:
        value: A list of `{"role", "content"}`, an object that holds it as `messages`, or either as JSON text. A content
            is a text, a list of parts of type text, or null.
        name: Name of the column, for messages.

    Raises:
        DataError: This is no list of such messages, a question is empty, or two models answer one question.
    """
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError as error:
            raise DataError(f"{name} is not JSON ({error}); expected a list of role and content") from error
    if isinstance(value, Mapping) and "messages" in value:
        value = value["messages"]
    if not isinstance(value, list) or not all(isinstance(message, Mapping) for message in value):
        raise DataError(f"{name} is {type(value).__name__}; expected a list of role and content")
    rounds: list[ChatRound] = []
    now = _Open()
    # A round ends where the next question begins, for an answer may come in several messages.
    for number, message in enumerate(value, start=1):
        place = f"message {number} of {name}"
        role = message.get("role")
        if role == ASKS:
            if now.answered:
                rounds.append(_closed(now, name))
                now = _Open()
            now.asked += _said(message, place)
            now.asked += [""] * (not now.asked)  # so that an empty question is met, and not passed over
        elif role == ANSWERS:
            _answer(now, message, place)
        elif role not in (*INSTRUCTIONS, *TOOLS):
            raise DataError(f"{place} is from {shown(role)}; expected user or assistant")
    return [*rounds, _closed(now, name)] if now.answered else rounds


def _answer(now: _Open, message: Mapping[str, Any], place: str) -> None:
    """Take an answer, or a part of one; what comes before any question is a greeting."""
    content = answer(message.get("content"), place)
    # Read before this test, so that a greeting of parts that are no text is refused too.
    if not now.asked:
        return
    model = label(message.get("model"), f"the model of {place}")
    if now.model is not None and model not in (None, now.model):
        raise DataError(f"{place} is from {model} and the one before from {now.model}; expected one model a question")
    now.model, now.answered = now.model or model, True
    # An assistant that calls a tool sends empty content; elsewhere an empty answer is an answer.
    if content is not None and (content or not message.get("tool_calls")):
        now.said.append(content)


def _said(message: Mapping[str, Any], place: str) -> Sequence[str]:
    content = answer(message.get("content"), place)
    return [content] if content is not None and content.strip() else []


def _closed(now: _Open, name: str) -> ChatRound:
    query = "\n".join(part for part in now.asked if part)
    if not query:
        raise DataError(f"a question in {name} is empty; expected text")
    return ChatRound(query, "\n".join(now.said) if now.said else None, now.model)
