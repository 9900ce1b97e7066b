"""Read the feedback that Open WebUI exports: thumbs on answers, and wins over others in its arena."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.read.cells import answer, label, needed, scaled, text, timestamp
from data_prep.read.rated_input import read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.read.row_files import refuse_missing_fields
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

FIELDS = ("user_id", "data", "snapshot")
DETAIL = (1.0, 10.0)
"""Scale of `details.rating`."""


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `user_id, data {rating 1 or -1, model_id, sibling_model_ids, comment, tags, details}, meta, snapshot`.

    Where `sibling_model_ids` name other models the thumb is a vote against each of them, and each vote stands in the
    chat's conversation; else it is a rating of one answer, `details.rating` (1 to 10) where that is stated. The query
    and the answers are read from the chat in `snapshot`, found by `meta.message_id`.
    """
    found = read_rated(input, _feedback, options.mapper)
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, FIELDS, "feedback with " + ", ".join(FIELDS))
    return RawData.of_input(found, "thumb up 1, down 0; details 1..10")


def _feedback(file: str, line: int, row: Row) -> list[RatedRow]:
    data, meta, chat = (_mapping(row.get(name), name) for name in ("data", "meta", "snapshot"))
    user = needed(label(row.get("user_id"), "user_id"), "user_id")
    model = needed(label(data.get("model_id"), "data.model_id"), "data.model_id")
    thumb = label(data.get("rating"), "data.rating")
    if thumb not in ("1", "-1"):
        raise DataError(f"data.rating is {thumb!r}; expected 1 or -1")
    good = 1.0 if thumb == "1" else 0.0
    # `chat` holds the row of the table, and its own `chat` what was said.
    inner = _mapping(_mapping(chat.get("chat"), "snapshot.chat").get("chat"), "snapshot.chat.chat")
    messages = _mapping(_mapping(inner.get("history"), "history").get("messages"), "history.messages")
    rated = _mapping(messages.get(str(meta.get("message_id"))), "the rated message")
    asked = _mapping(messages.get(str(rated.get("parentId"))), "the question of the rated message")
    query = needed(text(asked.get("content"), "the question"), "the question")
    remark = ", ".join(
        part for part in (label(data.get("reason"), "reason"), text(data.get("comment"), "comment")) if part
    )
    when = timestamp(row.get("created_at"), "created_at")
    # The chat goes on after a thumb, but one export holds thumbs only: each is told apart by its message.
    name = f"{label(meta.get('chat_id'), 'chat_id') or row.get('id')}/{meta.get('message_id')}"
    others = [one for one in data.get("sibling_model_ids") or [] if one and one != model]
    mine = Candidate(model, answer(rated.get("content"), "the answer"), good, remark or None)
    if not others:
        detail = _mapping(data.get("details"), "details").get("rating")
        fine = scaled(detail, "details.rating", DETAIL)
        lone = Candidate(model, mine.response, good if fine is None else fine, mine.feedback)
        return [RatedRow(file, line, user, query, [lone], name, 0, timestamp=when)]
    texts = {said.get("model"): said.get("content") for said in _siblings(messages, asked)}
    return [
        RatedRow(
            *(file, line, user, query),
            [mine, Candidate(other, answer(texts.get(other), "an answer"), 1.0 - good)],
            *(name, 0),
            timestamp=when,
        )
        for other in dict.fromkeys(map(str, others))
    ]


def _siblings(messages: Mapping[str, Any], asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [messages.get(str(id)) for id in asked.get("childrenIds") or []]
    return [one for one in found if isinstance(one, Mapping)]


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return an object; an absent one is empty, so that what is missing in it is named."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DataError(f"{name} is a {type(value).__name__}; expected an object")
    return value
