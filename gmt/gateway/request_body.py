"""Take a request in: its bytes up to a limit, and who sends it."""

from __future__ import annotations

from fastapi import Request

from gmt.gateway.api_errors import ApiError
from gmt.gateway.api_keys import Caller
from gmt.gateway.gateway import Gateway


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that a request came to."""
    return request.app.state.gateway


def caller_of(request: Request, admin: bool = False) -> Caller:
    """Return who calls, and count the request.

    Raises:
        ApiError: The key is missing or unknown, or an admin's is needed, or there are too many requests.
    """
    gateway, host = gateway_of(request), request.client.host if request.client else ""
    try:
        caller = gateway.keys.caller(request.headers.get("authorization"), request.headers.get("x-gmt-tenant"))
    except ApiError:
        gateway.limit.take(f"host {host}")  # guesses of keys are counted too
        raise
    gateway.limit.take(caller.hash or f"host {host}")
    if admin and not caller.admin:
        raise ApiError(403, "this needs an admin's key")
    return caller


async def body_of(request: Request) -> bytes:
    """Return the bytes of a request.

    Raises:
        ApiError: There are too many.
    """
    most, parts, size = gateway_of(request).pool.gateway.body_bytes, [], 0
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > most:
        raise ApiError(413, f"the request has more than {most:,} bytes")
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise ApiError(413, f"the request has more than {most:,} bytes")
        parts.append(part)
    return b"".join(parts)
