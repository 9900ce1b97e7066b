"""Read what a chat request asks: the question, the rounds before it, who asks, and which conversation it continues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.read.json_text import parse_json
from gmt.data.text_keys import key_of
from gmt.errors import UserError
from gmt.gateway.api_errors import ApiError
from gmt.serving.messages import chat_rounds

ROUTED = "gmt/auto"
"""The model's name by which a request asks to be routed; `gmt/auto:NAME` names a variant."""
REFUSED = ("api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers", "extra_body")
"""Fields by which some upstreams let a request name a place or a key of its own."""


@dataclass(frozen=True)
class ChatRequest:
    """Hold a chat request.

    Args:
        raw: Its bytes.
        body: Its JSON.
        model: The model it names.
        messages: Its messages.
        query: Text of the last question; empty where there is none.
        before: Messages before that question.
        user: Who asks, as the client calls them.
        session: The conversation's name, where the client states one.
    """

    raw: bytes
    body: Mapping[str, Any]
    model: str
    messages: Sequence[Mapping[str, Any]]
    query: str
    before: Sequence[Mapping[str, Any]]
    user: str | None
    session: str | None

    @property
    def is_routed(self) -> bool:
        """Tell whether gmt is to choose the model."""
        return self.model == ROUTED or self.model.startswith(f"{ROUTED}:")

    @property
    def variant(self) -> str | None:
        """Return the name of the variant it asks for."""
        return self.model.partition(":")[2] or None if self.is_routed else None

    @property
    def streams(self) -> bool:
        """Tell whether the answer is wanted as a stream."""
        return self.body.get("stream") is True

    @property
    def is_in_tool_loop(self) -> bool:
        """Tell whether it hands the results of a tool to the model that called it."""
        return bool(self.messages) and self.messages[-1].get("role") in ("tool", "function")

    @property
    def turn(self) -> int:
        """Return how many questions came before."""
        return max(sum(message.get("role") == "user" for message in self.messages) - 1, 0)

    def conversation(self, whose: str) -> str:
        """Return what names this state of the conversation; `whose` keeps users of one session name apart."""
        return _session_name(whose, self.session) if self.session else _history_name(whose, self.messages)

    def continues(self, whose: str) -> str | None:
        """Return what named the conversation when its last answer was asked for; None for a first question."""
        if self.session:
            return _session_name(whose, self.session)
        answered = [at for at, message in enumerate(self.messages) if message.get("role") == "assistant"]
        return _history_name(whose, self.messages[: answered[-1]]) if answered else None

    def rounds(self) -> list[dict[str, Any]] | None:
        """Return the earlier rounds as texts for the router, None where there are none that it can read."""
        texts = [{"role": message.get("role"), "content": text_of(message)} for message in self.before]
        try:
            return texts if chat_rounds(texts, "somebody") else None
        except UserError:
            return None  # a conversation of pictures is routed by its last question alone


def read_chat(raw: bytes, user: str | None, session: str | None) -> ChatRequest:
    """Read and check a request.

    Args:
        raw: Its bytes.
        user: From a header; the field `user` by default.
        session: From a header.

    Raises:
        ApiError: It is no chat request, or names a place of its own.
    """
    body = read_object(raw)
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not 0 < len(model) <= 200:
        raise ApiError(400, "model is missing or no text; name a model of GET /v1/models")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, Mapping) for one in messages):
        raise ApiError(400, "messages is missing, empty or no list of objects with role and content")
    named = [field for field in REFUSED if field in body]
    if named:
        raise ApiError(400, f"{', '.join(named)} cannot be set by a request; the gateway's pool says where models are")
    if session is not None and not 0 < len(session) <= 200:
        raise ApiError(400, "x-session-id has more than 200 characters or none")
    who = user if user is not None else body.get("user")
    if who is not None and not isinstance(who, str):
        raise ApiError(400, "user is no text")
    asked = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    texts = [(at, text_of(messages[at])) for at in reversed(asked)]
    # A question may be a picture alone; then the last one in words stands for what is talked about.
    at, query = next(((at, text) for at, text in texts if text.strip()), (0, ""))
    return ChatRequest(raw, body, model, messages, query, messages[:at], who or None, session)


def read_object(raw: bytes) -> dict[str, Any]:
    """Read JSON that must be an object.

    Raises:
        ApiError: It is none.
    """
    try:
        body = parse_json(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON in UTF-8 in which every key stands once") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is no JSON object")
    return body


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message: its content, or that of its parts which are text."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping) and part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))


def _session_name(whose: str, session: str) -> str:
    return key_of(json.dumps(["session", whose, session]))


def _history_name(whose: str, messages: Sequence[Mapping[str, Any]]) -> str:
    # Only what a client must send back unchanged: roles and texts; clients drop and add other fields.
    said = [[message.get("role"), text_of(message)] for message in messages]
    return key_of(json.dumps(["history", whose, said]))
