"""Keep connections to upstreams in many small pools, for looking through one large pool costs more than a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

EACH = 8
"""Requests that one pool has open at most, and connections that it keeps for the next ones."""
IDLE = 2.5
"""Seconds after which an idle connection is given up: many servers do so after five, and one that closes a connection
just as a request goes out on it loses the request."""


@dataclass
class SmallPool:
    """Hold a pool, and how many of its answers are not read to their end."""

    transport: httpx.AsyncHTTPTransport
    open: int = 0


class PooledConnections(httpx.AsyncBaseTransport):
    """Send every request by the first pool that has fewer than `EACH` open, so that connections are used again.

    With every request that comes or goes httpcore walks its pool once for each idle connection: beside a thousand open
    streams that is milliseconds, in the one thread that all streams pass through.
    """

    def __init__(self) -> None:
        self._verified = httpx.create_ssl_context(trust_env=False)  # read once: it takes as long as ten requests
        self._pools: list[SmallPool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its answer counts as open until it is closed."""
        pool = next((pool for pool in self._pools if pool.open < EACH), None) or self._added()
        pool.open += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            pool.open -= 1
            raise
        response.stream = _Counted(response.stream, pool)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.transport.aclose()

    def _added(self) -> SmallPool:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=EACH, keepalive_expiry=IDLE)
        found = SmallPool(httpx.AsyncHTTPTransport(verify=self._verified, limits=limits, trust_env=False))
        self._pools.append(found)
        return found


class _Counted(httpx.AsyncByteStream):
    """Pass a stream on and count it out of its pool when it is closed."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, pool: SmallPool) -> None:
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous transport gave a stream that is not")
        self._stream, self._pool = stream, pool
        self._is_open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            self._pool.open -= 1
        await self._stream.aclose()
