"""Make the application of a gateway: what every request passes, and which routes there are."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from gmt.errors import UserError, one_line
from gmt.gateway.api_errors import ApiError
from gmt.gateway.chat_routes import chat_routes
from gmt.gateway.feedback_routes import feedback_routes
from gmt.gateway.gateway import Gateway
from gmt.gateway.page_routes import page_routes
from gmt.gateway.status_routes import status_routes
from gmt.gateway.user_routes import user_routes

log = logging.getLogger("gmt.gateway")
WATCHED = 2.0
"""Seconds between two looks at what the run's path names."""
TRIMMED = 20.0
"""Seconds between two times that freed memory is given back."""
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}


def create_app(gateway: Gateway, watch: float = WATCHED) -> FastAPI:
    """Make the application.

    Args:
        gateway: What it serves.
        watch: Seconds between two looks at whether the run was swapped; 0 looks at signals only.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop, watcher = asyncio.get_running_loop(), None
        with contextlib.suppress(ValueError, RuntimeError, AttributeError):  # only the main thread takes signals
            loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, gateway.served.swap_if_newer))
        if watch:
            watcher = asyncio.create_task(_watch(gateway, watch))
        yield
        if watcher is not None:
            watcher.cancel()
        await gateway.close()

    app = FastAPI(
        title="gmt", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan
    )
    app.state.gateway = gateway
    # What is asked for most stands first, for routes are looked through in their order.
    for routes in (chat_routes, feedback_routes, status_routes, user_routes, page_routes):
        app.include_router(routes)
    app.add_middleware(Counted, gateway=gateway)
    app.add_exception_handler(ApiError, _said)
    app.add_exception_handler(UserError, _mistake)
    app.add_exception_handler(HTTPException, _not_here)
    return app


async def _watch(gateway: Gateway, seconds: float) -> None:
    trimmed, loop = time.monotonic(), asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        await loop.run_in_executor(None, gateway.served.swap_if_newer)
        if time.monotonic() - trimmed > TRIMMED:
            trimmed = time.monotonic()
            await loop.run_in_executor(None, give_back_memory)


def give_back_memory() -> bool:
    """Give memory that was freed back to the system, which glibc keeps in pieces; return whether it could be asked to.

    Whenever something is taken back the run is read anew; what was held before is freed in the arenas of many threads.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # another C library
        return False
    return True


async def _said(_: Request, error: Exception) -> Response:
    return error.response() if isinstance(error, ApiError) else JSONResponse({}, 500)


async def _mistake(_: Request, error: Exception) -> Response:
    return ApiError(400, one_line(str(error))).response()


async def _not_here(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return ApiError(status, "there is nothing here" if status == 404 else "this cannot be done here").response()


class Counted:
    """Count requests and bound what a fault shows: no trace and no text of a request.

    Plain ASGI, for middleware that reads answers would hold a stream back.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                held = {name for name, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in SAFE.items() if k.encode() not in held]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self.app(scope, receive, counted)
        except Exception as error:
            # The type alone: what the error says may hold a text or a key.
            log.error("a request failed: %s", type(error).__name__, exc_info=self.gateway.pool.gateway.log_texts)
            if not status:
                await ApiError(500, "the gateway failed; its log says with what").response()(scope, receive, counted)
        finally:
            path = _pattern(scope)
            self.gateway.metrics.requests.labels(path, str(status)).inc()
            log.info("%s %s %d %.0f ms", scope["method"], path, status, 1e3 * (time.perf_counter() - began))


def _pattern(scope: Mapping[str, Any]) -> str:
    """Return the pattern of the route that a request took, which no text of a request can be part of."""
    if (route := scope.get("route")) is not None:
        return getattr(route, "path", "other")
    # A plain route leaves its endpoint alone behind; without parameters in it, the path is its pattern.
    plain = scope.get("endpoint") is not None and not scope.get("path_params")
    return scope["path"] if plain else "other"
