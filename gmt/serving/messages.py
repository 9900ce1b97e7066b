"""Read conversations in the shape chat APIs use, from a file and as rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.read.chat_messages import message_rounds
from data_prep.read.file_formats import one_line
from data_prep.read.json_text import parse_json
from data_prep.sources.jsonl import read_rows
from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import UserError

ASSISTANT = "an assistant whose model is not known"
UNNAMED = "somebody"
"""Stands in the rounds of a user who is not named."""
HERE = "the conversation so far"
"""Names the conversation that a question comes within."""


def read_messages(path: Path) -> list[dict[str, Any]]:
    """Read OpenAI-style chat messages, or rated rounds, from JSON (a list, or an object with `messages`) or JSONL.

    Raises:
        UserError: The file is missing or holds something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; pass a JSON file of chat messages with --conversation")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    try:
        value = parse_json(text)
    except ValueError as whole:
        try:
            value = [parse_json(line) for line in text.split("\n") if line.strip()]
        except ValueError as error:
            # Of one long value the whole text tells what is wrong, of lines the line does.
            reason = one_line(whole if text.lstrip().startswith("[") else error)
            raise UserError(
                f"{path} is neither JSON nor JSON lines ({reason}); write a list of chat messages"
            ) from error
    if isinstance(value, dict):
        value = value.get("messages", [value] if "role" in value or "query" in value else None)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UserError(f"{path} holds no list of messages; expected objects with role and content")
    return value


def chat_rounds(messages: Sequence[Mapping[str, Any]], user: str) -> list[Comparison]:
    """Read chat messages as unrated rounds, as the sources of `gmt prep` do; rows in the jsonl form keep their ratings.

    Raises:
        UserError: A message has an unknown role or no text, or a question is empty.
    """
    if any("query" in message for message in messages):
        found = read_rows(messages, user)
        # Rows need not name their conversation, and where they do it is this one: their order is that of the rounds.
        return [replace(one, user=user, conversation=HERE, turn=turn) for turn, one in enumerate(found)]
    return [
        Comparison(
            user,
            HERE,
            turn,
            found.query,
            (Candidate(found.model or ASSISTANT, found.answer),),
        )
        for turn, found in enumerate(message_rounds(list(messages), "the conversation"))
    ]


def last_answer(rounds: Sequence[Comparison]) -> Candidate | None:
    """Return the answer that the conversation went on with: the last one given, the best rated where several were.

    None where there is none, nobody says who gave it, or nobody says which of several was taken.
    """
    taken = taken_answer(rounds[-1]) if rounds else None
    return None if taken is None or taken.model == ASSISTANT else taken


def taken_answer(one: Comparison) -> Candidate | None:
    """Return the only answer of a round or the one that was rated best, None where none was."""
    if len(one.candidates) == 1:
        return one.candidates[0]
    rated = sorted((item for item in one.candidates if item.rating is not None), key=lambda item: -(item.rating or 0))
    clear = bool(rated) and (len(rated) == 1 or rated[0].rating != rated[1].rating)
    return rated[0] if clear else None
