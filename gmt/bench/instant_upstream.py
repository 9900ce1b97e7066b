"""Answer chat requests at once, whole or as a stream, so that what gateways add can be timed: `python -m … PORT`."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

WORDS = 20
"""Events of a stream, and words of a whole answer."""
WORD = "word"


def _event(delta: dict[str, Any], ended: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": ended}
    found = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(found).encode() + b"\n\n"


STREAM = (
    _event({"role": "assistant", "content": WORD})
    + (WORDS - 1) * _event({"content": WORD})
    + _event({}, "stop")
    + b"data: [DONE]\n\n"
)
WHOLE = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": " ".join([WORD] * WORDS)}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": WORDS, "total_tokens": WORDS + 2},
    }
).encode()


async def instant_upstream(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer as an ASGI application; bare, for what it takes itself is on the same cores as what is timed."""
    if scope["type"] != "http":
        return
    asked = b""
    while True:
        part = await receive()
        asked += part.get("body", b"")
        if not part.get("more_body"):
            break
    streams = bool(asked) and json.loads(asked).get("stream") is True
    body, kind = (STREAM, b"text/event-stream") if streams else (WHOLE, b"application/json")
    head = [(b"content-type", kind)] + ([] if streams else [(b"content-length", str(len(body)).encode())])
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(instant_upstream, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", access_log=False)  # type: ignore[arg-type]
