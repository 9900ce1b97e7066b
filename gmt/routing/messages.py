"""Read conversations in the shape chat APIs use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gmt.errors import UserError


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
