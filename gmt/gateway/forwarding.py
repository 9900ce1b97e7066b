"""Forward a request to a model's upstream and pass the answer on as it comes, its bytes unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from gmt.gateway.api_errors import ApiError
from gmt.gateway.pool_settings import GatewaySettings, UpstreamModel
from gmt.gateway.upstream_connections import PooledConnections

PASSED_ON = ("content-type", "retry-after", "x-request-id", "openai-processing-ms", "openai-version")
"""Headers of upstreams that clients see; others may name what is behind the gateway."""
ERROR_BYTES = 64_000
DECODED = ("", "identity", "gzip", "deflate")
"""Encodings of answers that are undone, for an upstream may compress though it is asked not to."""
HIDDEN = b"[key hidden]"


@dataclass(frozen=True)
class Opened:
    """Hold an answer whose first bytes are there, so that it can no longer be replaced by another model's.

    Args:
        status: HTTP status.
        headers: Those passed on.
        parts: Its bytes.
    """

    status: int
    headers: Mapping[str, str]
    parts: AsyncIterator[bytes]


class UpstreamFault(Exception):
    """Report that an upstream gave no answer that can be passed on; another model may be asked.

    Args:
        kind: A word for metrics, such as `timeout` or `429`.
        error: What the client is told where no other model is asked.
    """

    def __init__(self, kind: str, error: ApiError | Opened) -> None:
        super().__init__(kind)
        self.kind, self.error = kind, error


def new_client(settings: GatewaySettings) -> httpx.AsyncClient:
    """Return the client of all upstreams; it follows no redirect and reads no proxy from the environment."""
    times = httpx.Timeout(settings.answer_seconds, connect=settings.connect_seconds, pool=None)
    return httpx.AsyncClient(timeout=times, transport=PooledConnections(), trust_env=False, follow_redirects=False)


async def open_answer(client: httpx.AsyncClient, name: str, model: UpstreamModel, body: bytes, streams: bool) -> Opened:
    """Send a request and wait for the first bytes of its answer, or for all of one that does not stream.

    Args:
        client: Of all upstreams.
        name: The model's name here, for messages.
        model: Where it answers.
        body: JSON of the request.
        streams: The answer is passed on while it comes.

    Raises:
        UpstreamFault: There is none, it is too slow, breaks off before it begins, or says to try again later.
    """
    key = model.key()
    # No encoding: a client of ours has not said what it can decode, and decoding takes time.
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    request = client.build_request("POST", f"{model.url.rstrip('/')}/chat/completions", content=body, headers=headers)
    try:
        response = await client.send(request, stream=True)
    except httpx.TimeoutException:
        raise UpstreamFault("timeout", ApiError(504, f"{name} did not answer in time", "upstream_timeout")) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UpstreamFault("unreachable", ApiError(502, f"{name} cannot be reached", "upstream_unreachable")) from None
    try:
        return await _begun(response, name, streams, key)
    except BaseException:
        await response.aclose()
        raise


async def _begun(response: httpx.Response, name: str, streams: bool, key: str | None) -> Opened:
    status = response.status_code
    passed = {header: response.headers[header] for header in PASSED_ON if header in response.headers}
    broken = UpstreamFault("broken", ApiError(502, f"{name} broke off its answer", "upstream_broken"))
    if response.headers.get("content-encoding", "").strip().lower() not in DECODED:
        raise broken  # nobody could read it, nor could a key be found in it
    try:
        if status >= 300:
            said = await _error_text(response, key)
            raise _refusal(status, name, Opened(status, passed, _once(said)))
        if not streams:
            whole = b"".join([part async for part in response.aiter_bytes()])
            await response.aclose()
            if not whole:
                raise broken
            return Opened(status, passed, _once(whole))
        parts = response.aiter_bytes()
        first = await anext(parts, b"")
    except httpx.TimeoutException:
        raise UpstreamFault("timeout", ApiError(504, f"{name} did not answer in time", "upstream_timeout")) from None
    except httpx.HTTPError:
        raise broken from None
    if not first:
        raise broken  # a good status and then nothing, as of 204, is no answer
    return Opened(status, passed, _passed_on(response, first, parts, name))


def _refusal(status: int, name: str, said: Opened) -> UpstreamFault | PassedOn:
    """Return what an answer that is no success means."""
    if status in (401, 403):
        # It is the gateway's key that was refused, and what upstreams say of keys may show a part of them.
        error = ApiError(502, f"{name} refused the gateway's own key", "upstream_refused_key")
        return UpstreamFault(str(status), error)
    if status < 400:
        return UpstreamFault("redirect", ApiError(502, f"{name} sent the gateway elsewhere", "upstream_redirect"))
    if status in (408, 429) or status >= 500:
        return UpstreamFault(str(status), said)
    return PassedOn(said)


class PassedOn(Exception):
    """Report an answer such as 400 that another model would give too, so that the client gets it at once."""

    def __init__(self, answer: Opened) -> None:
        super().__init__(str(answer.status))
        self.answer = answer


async def _error_text(response: httpx.Response, key: str | None) -> bytes:
    """Return what an upstream says of an error, up to `ERROR_BYTES`, the gateway's key cut out of it."""
    hidden = (key or "\0").encode()
    found, enough = b"", ERROR_BYTES + len(hidden)
    async for part in response.aiter_bytes():
        found += part
        if len(found) >= enough:
            break
    await response.aclose()
    said = found[:enough].replace(hidden, HIDDEN)
    # Of a longer text the end goes, for half a key may stand there.
    return (said[: -len(hidden)] if len(found) >= enough else said)[:ERROR_BYTES]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _passed_on(
    response: httpx.Response, first: bytes, parts: AsyncIterator[bytes], name: str
) -> AsyncIterator[bytes]:
    """Yield an answer's bytes in whole lines; where it breaks off, say so in an event that clients raise."""
    # The line that has begun, in pieces: joined with every part, a line of some megabytes would be copied for minutes.
    whole, begun = _cut(first)
    line = [begun]
    try:
        async with aclosing(parts):  # pyright: ignore[reportArgumentType]
            if whole:
                yield whole
            async for data in parts:
                whole, begun = _cut(data)
                if whole:
                    yield b"".join([*line, whole])
                    line.clear()
                line.append(begun)
        if rest := b"".join(line):
            yield rest
    except httpx.TimeoutException:
        # Half a line is dropped; a blank line ends the event before, if one was open.
        yield b"\n" + ApiError(504, f"{name} stopped in the middle of its answer", "upstream_timeout").as_event()
    except httpx.HTTPError:
        yield b"\n" + ApiError(502, f"{name} broke off its answer", "upstream_broken").as_event()
    finally:
        await response.aclose()


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Return the whole lines of some bytes, and the beginning of the next line."""
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]
