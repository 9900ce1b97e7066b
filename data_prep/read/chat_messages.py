"""Cut the chat messages of a cell into rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data_prep.read.cells import answer, needed, text
from gmt.errors import DataError


def message_rounds(value: Any, name: str) -> list[tuple[str, str | None]]:
    """Cut chat messages into rounds (what was asked, what was answered).

    Opening system messages are skipped and a last question without an answer is no round.

    Args:
        value: A list of `{"role", "content"}`, or that list as JSON text.
        name: Name of the column, for messages.

    Raises:
        DataError: The messages do not alternate between user and assistant, or a question is empty.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise DataError(f"{name} is not JSON; expected a list of role and content") from error
    if not isinstance(value, list) or not all(isinstance(message, Mapping) for message in value):
        raise DataError(f"{name} is {type(value).__name__}; expected a list of role and content")
    skipped = next((at for at, message in enumerate(value) if message.get("role") != "system"), len(value))
    messages = value[skipped:]
    for at, message in enumerate(messages):
        wanted = ("user", "assistant")[at % 2]
        if message.get("role") != wanted:
            raise DataError(f"message {at + skipped + 1} of {name} is from {message.get('role')}; expected {wanted}")
    return [
        (needed(text(ask.get("content"), name), f"a question in {name}"), answer(reply.get("content"), name))
        for ask, reply in zip(messages[::2], messages[1::2], strict=False)
    ]
