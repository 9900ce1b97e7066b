"""Say what is wrong with a request in the shape that OpenAI's clients read."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class ApiError(Exception):
    """Report to a client what it, or an upstream, did wrong.

    Args:
        status: HTTP status.
        message: One line.
        code: A word for programs.
        headers: To send along.
    """

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON that says it."""
        kind = KINDS.get(self.status, "upstream_error" if self.status in (502, 504) else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": None, "code": self.code}}

    def response(self) -> JSONResponse:
        """Return the answer that says it."""
        return JSONResponse(self.body(), self.status, headers=self.headers)

    def as_event(self) -> bytes:
        """Return the event that says it inside a stream, which official clients raise as an error."""
        return b"data: " + json.dumps(self.body()).encode() + b"\n\n"
