"""Check that connections to upstreams are used again, spread over small pools, and counted out however they end."""

import asyncio
import contextlib

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from gmt.gateway.upstream_connections import EACH, IDLE, PooledConnections
from tests.gateway.upstreams import serving


@pytest.fixture(scope="module")
def url():
    async def parts():
        for _ in range(3):
            yield b"part\n"
            await asyncio.sleep(0.05)

    async def breaks():
        yield b"half"
        await asyncio.sleep(0.05)
        raise ConnectionAbortedError

    app = Starlette(
        routes=[
            Route("/port", lambda request: PlainTextResponse(str(request.client.port))),
            Route("/stream", lambda request: StreamingResponse(parts())),
            Route("/broken", lambda request: StreamingResponse(breaks())),
        ]
    )
    with serving(app) as found:
        yield found


def run(work):
    async def inside():
        pools = PooledConnections()
        async with httpx.AsyncClient(transport=pools, timeout=20, trust_env=False) as client:
            return await work(client, pools)

    return asyncio.run(inside())


def open_ones(pools):
    return [pool.open for pool in pools._pools]


def test_requests_one_after_another_use_one_connection(url):
    async def work(client, pools):
        ports = {(await client.get(f"{url}/port")).text for _ in range(10)}
        return ports, open_ones(pools)

    ports, left = run(work)
    assert len(ports) == 1 and left == [0]


def test_many_at_once_are_spread_and_counted_out(url):
    async def one(client, pools, most):
        async with client.stream("GET", f"{url}/stream") as got:
            parts = [part async for part in got.aiter_raw()]
        most.append(max(open_ones(pools)))
        return b"".join(parts)

    async def work(client, pools):
        most = []
        found = await asyncio.gather(*(one(client, pools, most) for _ in range(5 * EACH)))
        again = (await client.get(f"{url}/port")).status_code
        return found, max(most), open_ones(pools), again

    found, most, left, again = run(work)
    assert found == [b"part\n" * 3] * (5 * EACH) and most <= EACH and again == 200
    assert len(left) == 5 and not any(left)


@pytest.mark.parametrize("how", ["broken", "unreachable", "left early", "cancelled"])
def test_what_ends_badly_is_counted_out_too(url, how):
    async def work(client, pools):
        if how == "unreachable":
            with pytest.raises(httpx.ConnectError):
                await client.get("http://127.0.0.1:1/")
        elif how == "broken":
            with pytest.raises(httpx.HTTPError):
                await client.get(f"{url}/broken")
        elif how == "left early":
            async with client.stream("GET", f"{url}/stream") as got:
                assert await anext(got.aiter_raw())
        else:
            task = asyncio.create_task(client.get(f"{url}/stream"))
            await asyncio.sleep(0.03)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return open_ones(pools), (await client.get(f"{url}/port")).status_code

    left, after = run(work)
    assert left == [0] and after == 200


def test_idle_connections_are_given_up_before_servers_close_them():
    """At five seconds, as httpx keeps them and uvicorn too, a request could go out just as the server closes."""
    transport = PooledConnections()._added().transport
    assert transport._pool._keepalive_expiry == IDLE < 5
