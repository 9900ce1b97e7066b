"""Write a round as the payload of an event, with its texts kept once and apart, and read it back checked."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.text_keys import WITHHELD, key_of, stated_key
from gmt.errors import DataError, RunError

COMPARISON = "comparison"
"""The form of an event that holds one round: a query, its candidates and their ratings."""
OPTIONAL = ("question", "task", "timestamp")


@dataclass(frozen=True)
class Event:
    """Hold one event of a user.

    Args:
        id: Its number; later events have larger ones.
        comparison: The round.
        key: The idempotency key it came with.
        source: Where it came from, e.g. "api".
        created: UTC seconds when it was written.
        revoked: It no longer counts.
        version: The run's version at which it was written or revoked.
    """

    id: int
    comparison: Comparison
    key: str | None
    source: str
    created: float
    revoked: bool
    version: int


@dataclass(frozen=True)
class Encoded:
    """Hold a round as it is written.

    Args:
        conversation: The conversation's name as the round states it.
        body: The payload without that name.
        content: Hash of what makes two rounds of a user the same: turn, query, answers and ratings.
        texts: Key -> text of its query, responses and feedback.
        models: Names of its candidates.
    """

    conversation: str
    body: Mapping[str, Any]
    content: str
    texts: Mapping[str, str]
    models: tuple[str, ...]


def short_hash(*parts: str) -> str:
    """Return 32 hex digits that stand for some texts, in order."""
    return key_of("\n".join(f"{len(part)} {part}" for part in parts))


def user_hash(run: str, user: str) -> str:
    """Return what stands for a user in a run where the name must not."""
    return short_hash(run, user)


def encode(item: Comparison, key: Callable[[str], str] = key_of) -> Encoded:
    """Take a round apart into payload and texts.

    Args:
        item: The round.
        key: Returns the key of a text; `stored_key` for rounds of which a run may keep only that.

    Raises:
        DataError: A text or a name cannot be stored as UTF-8.
    """
    texts: dict[str, str] = {}

    def keyed(text: str | None, what: str) -> str | None:
        if text is None:
            return None
        storable(text, what, zero=True)
        found = key(text)
        texts[found] = text
        return found

    candidates = []
    for one in item.candidates:
        row = {
            "model": storable(one.model, "model"),
            "response": keyed(one.response, "response"),
            "rating": one.rating,
            "feedback": keyed(one.feedback, "feedback"),
            "cost": one.cost,
            "signal": one.signal,
        }
        candidates.append({name: value for name, value in row.items() if value is not None})
    body: dict[str, Any] = {"turn": item.turn, "query": keyed(item.query, "query"), "candidates": candidates}
    content = short_hash(_json(body))
    body |= {name: getattr(item, name) for name in OPTIONAL if getattr(item, name) is not None}
    names = tuple(one.model for one in item.candidates)
    return Encoded(storable(item.conversation, "conversation"), body, content, texts, names)


def payload_of(encoded: Encoded, conversation: str) -> str:
    """Return the payload of an event, with the name its conversation was given."""
    return _json({"conversation": conversation, **encoded.body})


def seal_of(owner: str, form: str, key: str | None, payload: str) -> str:
    """Return the hash by which damage to an event is found; `owner` is the `user_hash`."""
    return short_hash(owner, form, key or "", payload)


def text_keys(payload: str) -> set[str]:
    """Return the keys of the texts that a payload names."""
    body = json.loads(payload)
    named = [body["query"], *(one.get(what) for one in body["candidates"] for what in ("response", "feedback"))]
    return {key for key in named if key is not None}


def decode(user: str, payload: str, text_of: Callable[[str], str]) -> Comparison:
    """Put a round together again.

    Args:
        user: Whose it is.
        payload: As `payload_of` gave it.
        text_of: Returns the text of a key.
    """
    body = json.loads(payload)
    candidates = tuple(
        Candidate(
            one["model"],
            text_of(one["response"]) if "response" in one else None,
            one.get("rating"),
            text_of(one["feedback"]) if "feedback" in one else None,
            one.get("cost"),
            one.get("signal"),
        )
        for one in body["candidates"]
    )
    optional = {name: body.get(name) for name in OPTIONAL}
    return Comparison(user, body["conversation"], body["turn"], text_of(body["query"]), candidates, **optional)


def read_text(key: str, stored: bytes | None) -> str:
    """Return the text of a key, or its stand-in where the run keeps no texts.

    Raises:
        RunError: The stored text is damaged.
    """
    if stored is None:
        return WITHHELD + key
    text = bytes(stored).decode("utf-8", "replace")
    if key_of(text) != key and stated_key(text) != key:
        raise RunError(f"text {key[:12]} in the state is damaged; restore the state from a copy")
    return text


def stored_key(text: str) -> str:
    """Return the key of a text of a round that a run keeps, also where only a stand-in was kept."""
    return stated_key(text) or key_of(text)


def pack(vector: np.ndarray) -> bytes:
    """Write a (D,) vector as float32 with a checksum behind it.

    Raises:
        DataError: It is no vector, or not finite.
    """
    found = np.ascontiguousarray(vector, "<f4")
    if found.ndim != 1 or not np.isfinite(found).all():
        raise DataError(f"a vector has shape {found.shape} or is not finite; expected (D,) finite numbers")
    data = found.tobytes()
    return data + zlib.crc32(data).to_bytes(4, "little")


def unpack(stored: bytes, what: str) -> np.ndarray:
    """Read a (D,) float32 vector that `pack` wrote.

    Raises:
        RunError: It is damaged.
    """
    data, check = bytes(stored)[:-4], bytes(stored)[-4:]
    if zlib.crc32(data).to_bytes(4, "little") != check:
        raise RunError(f"the vector of {what} in the state is damaged; restore the state from a copy")
    return np.frombuffer(data, "<f4")


def storable(text: str, what: str, zero: bool = False) -> str:
    """Return a text that any of the databases can hold.

    Raises:
        DataError: It holds half a character or, unless `zero` allows it, a zero character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(f"{what} holds half a character (a lone surrogate); write it as UTF-8") from None
    if "\0" in text and not zero:
        raise DataError(f"{what} holds a zero character; leave it out")
    return text


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
