"""Read conversations in the shape chat APIs use, from a file and as rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = [json.loads(line) for line in text.split("\n") if line.strip()]
        except ValueError as error:
            raise UserError(
                f"{path} is neither JSON nor JSON lines ({error}); write a list of chat messages"
            ) from error
    if isinstance(value, dict):
        value = value.get("messages", [value] if "role" in value else None)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UserError(f"{path} holds no list of messages; expected objects with role and content")
    return value


def chat_rounds(messages: Sequence[Mapping[str, Any]], user: str) -> list[Comparison]:
    """Read chat messages as unrated rounds; system messages are passed over.

    Raises:
        UserError: Roles are unknown or an answer comes without a question.
    """
    rounds: list[Comparison] = []
    waiting: list[str] = []
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "developer", "user", "assistant") or not isinstance(content, str):
            raise UserError(
                f"message {number} of the conversation has role {role!r}; expected objects with role user or assistant "
                "and a text as content"
            )
        if role == "user":
            waiting.append(content)
        elif role == "assistant":
            if not waiting:
                raise UserError(
                    f"message {number} of the conversation answers nothing; put the user's message before it"
                )
            answer = Candidate(str(message.get("model") or ASSISTANT), content)
            rounds.append(Comparison(user, "the conversation so far", len(rounds), "\n".join(waiting), (answer,)))
            waiting = []
    return rounds
