"""Take a request in: its bytes up to a limit, and who sends it."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from gmt.gateway.api_errors import ApiError
from gmt.gateway.api_keys import Caller
from gmt.gateway.gateway import Gateway
from gmt.gateway.loopback import is_loopback


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that a request came to."""
    return request.app.state.gateway


def caller_of(request: Request, admin: bool = False) -> Caller:
    """Return who calls, and count the request.

    Raises:
        ApiError: The key is missing or unknown, or an admin's is needed, or there are too many requests.
    """
    gateway, host = gateway_of(request), request.client.host if request.client else ""
    if not gateway.keys.are_needed:
        refuse_other_sites(request)
    try:
        caller = gateway.keys.caller(request.headers.get("authorization"), request.headers.get("x-gmt-tenant"))
    except ApiError:
        gateway.limit.take(f"host {host}")  # guesses of keys are counted too
        raise
    gateway.limit.take(caller.hash or f"host {host}")
    if admin and not caller.admin:
        raise ApiError(403, "this needs an admin's key")
    return caller


def refuse_other_sites(request: Request) -> None:
    """Refuse what a browser sends here for a page from elsewhere, which a gateway without keys would answer.

    Raises:
        ApiError: The request names another host than this machine, as after a site's name came to stand for it, or
            says that it comes from another site.
    """
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    try:
        here, asks = urlsplit(f"//{host}").hostname, None if origin is None else urlsplit(origin).netloc
    except ValueError:  # such as half the brackets of an address
        here = asks = None
    if not is_loopback(here or ""):
        raise ApiError(403, "without keys the gateway answers as localhost alone; make some by gmt serve --new-key")
    if asks is not None and asks != host:
        raise ApiError(403, "a page of another site may not ask a gateway without keys")


def text_header(request: Request, name: str) -> str | None:
    """Return a header as the text it was written as: UTF-8 where it is that, or else Latin-1, as HTTP has it."""
    found = request.headers.get(name)
    if found is None or found.isascii():
        return found
    try:
        return found.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found


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
