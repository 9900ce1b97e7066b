"""Read conversations in the shape chat APIs use, from a file and as rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.read.chat_messages import message_rounds
from data_prep.read.file_formats import one_line
from data_prep.read.json_text import parse_json
from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import UserError

ASSISTANT = "an assistant whose model is not known"


def read_messages(path: Path) -> list[dict[str, Any]]:
    """Read OpenAI-style chat messages from JSON (a list, or an object with `messages`) or JSONL.

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
        value = value.get("messages", [value] if "role" in value else None)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UserError(f"{path} holds no list of messages; expected objects with role and content")
    return value


def chat_rounds(messages: Sequence[Mapping[str, Any]], user: str) -> list[Comparison]:
    """Read chat messages as unrated rounds, as the sources of `gmt prep` do.

    Raises:
        UserError: A message has an unknown role or no text, or a question is empty.
    """
    return [
        Comparison(
            user,
            "the conversation so far",
            turn,
            found.query,
            (Candidate(found.model or ASSISTANT, found.answer),),
        )
        for turn, found in enumerate(message_rounds(list(messages), "the conversation"))
    ]
