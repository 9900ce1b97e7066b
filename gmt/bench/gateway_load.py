"""Load a gateway as crowds do: streams that stay open together, votes of many writers, and both for a long time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gmt.bench.made_data import made_dataset, made_run
from gmt.bench.server_process import Server, server_process
from gmt.errors import RunError
from gmt.runs import RunFolder

PARTS = 20
"""Events of a stream, its first at once."""
UPSTREAM = """
import asyncio, sys
WORD = b'data: {"choices": [{"index": 0, "delta": {"content": "word"}}]}\\n\\n'
PARTS, PAUSE = int(sys.argv[1]), float(sys.argv[2])
async def app(scope, receive, send):
    if scope["type"] != "http": return
    while (await receive()).get("more_body"): pass
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for part in range(PARTS):
        await send({"type": "http.response.body", "body": WORD, "more_body": True})
        await asyncio.sleep(PAUSE)
    await send({"type": "http.response.body", "body": b"data: [DONE]\\n\\n"})
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="critical", access_log=False)
"""
PEOPLE = 40
"""Users of a soak."""
AT_ONCE = 64
"""Requests of a soak under way together at most."""
RETRIES = 5
"""How often a writer sends a vote again, as official clients do, where it is told to."""


@contextlib.contextmanager
def gateway_under_load(
    root: Path, users: int = 50, pause: float = 0.5, workers: int = 1, state: str | None = None
) -> Iterator[tuple[Server, Server, Path]]:
    """Start an upstream whose streams take `PARTS` times `pause` seconds, and a gateway over a made run before it.

    Args:
        root: An empty folder for the run.
        users: Known people.
        pause: Seconds between two events of a stream.
        workers: Processes of the gateway.
        state: Database of what is told; `state.db` of the run by default.

    Yields:
        The gateway, the upstream, and the run.
    """
    run, data = root / "run", made_dataset(users, 5, width=64)
    made_run(RunFolder(run), data)
    with server_process([sys.executable, "-c", UPSTREAM, str(PARTS), str(pause)], "/") as upstream:
        pool = {"models": {name: {"url": f"{upstream.url}/v1"} for name in data.models}}
        (root / "pool.yaml").write_text(json.dumps(pool))  # JSON is YAML
        command = [sys.executable, "-m", "gmt.bench.gateway_load", str(run), str(root / "pool.yaml"), str(workers)]
        with server_process([*command, state or ""]) as gateway:
            yield gateway, upstream, run


@dataclass
class StreamsFound:
    """Hold what became of streams that were open together.

    Args:
        first: Seconds from sending to the first byte of each answer.
        complete: How many had all of their events and the end.
        together: How many were open at once at most.
    """

    first: list[float] = field(default_factory=list)
    complete: int = 0
    together: int = 0


async def many_streams(url: str, model: str, count: int, rate: float, users: int = 50) -> StreamsFound:
    """Open streams at a steady rate and read each to its end.

    Args:
        url: Of the gateway, or of the upstream.
        model: Who is asked; `gmt/auto` routes.
        count: How many.
        rate: Opened a second.
        users: Known people who ask, in turn.
    """
    found, running = StreamsFound(), 0

    async def one(number: int) -> None:
        nonlocal running
        asked = {"role": "user", "content": f"query {number % 50}"}
        body = {"model": model, "user": f"u{number % users}", "stream": True, "messages": [asked]}
        start = time.perf_counter()
        async with _sent(url, "/v1/chat/completions", body) as reader:
            whole = await reader.read(1)
            found.first.append(time.perf_counter() - start)
            running += 1
            found.together = max(found.together, running)
            whole += await reader.read()
            running -= 1
        found.complete += whole.count(b'"content": "word"') == PARTS and b"data: [DONE]" in whole

    begin, open_ones = time.perf_counter(), []
    for number in range(count):
        await asyncio.sleep(max(begin + number / rate - time.perf_counter(), 0))
        open_ones.append(asyncio.create_task(one(number)))
    await asyncio.gather(*open_ones)
    return found


@dataclass
class VotesFound:
    """Hold what became of votes.

    Args:
        taken: Writer -> events that were acknowledged.
        sent_again: How often a vote was sent again because the gateway asked for it.
        seconds: From sending a vote to its acknowledgement, of each.
    """

    taken: dict[str, set[str]] = field(default_factory=dict)
    sent_again: int = 0
    seconds: list[float] = field(default_factory=list)


async def many_votes(url: str, writers: int, votes: int, models: Sequence[str], name: str = "writer") -> VotesFound:
    """Let writers ask and vote at once, half of them as one user; every request has a connection of its own.

    So a decision and the vote on it come to whichever process takes them.

    Args:
        url: Of the gateway.
        writers, votes: How many, and of each.
        models: Two names, to be winner and loser.
        name: Begins the users' names.
    """
    found = VotesFound()

    async def one(writer: int) -> None:
        user = f"{name} shared" if writer % 2 else f"{name} {writer}"
        for number in range(votes):
            asked = await request(url, "/v1/route", {"user": user, "query": f"query {number % 50}"})
            said = {"decision": asked["decision"], "winner": models[number % 2], "loser": models[1 - number % 2]}
            # Equal votes of one user count once, so each says something else.
            said |= {"key": f"{name} {writer} {number}", "words": f"remark {writer} {number}"}
            start = time.perf_counter()
            for again in range(RETRIES):
                told = await request(url, "/v1/feedback", said, allowed=(200, 503))
                if "id" in told:
                    break
                found.sent_again += 1
                await asyncio.sleep(0.5 * 2**again)
            found.seconds.append(time.perf_counter() - start)
            found.taken.setdefault(user, set()).add(told["id"])

    await asyncio.gather(*(one(writer) for writer in range(writers)))
    return found


@dataclass
class SoakFound:
    """Hold what became of a gateway under steady work.

    Args:
        memory: Process -> MiB at every look, the first after it warmed up.
        requests: How many were answered.
        failed: What was said of those that were not.
    """

    memory: dict[int, list[float]] = field(default_factory=dict)
    requests: int = 0
    failed: list[str] = field(default_factory=list)

    def course(self) -> dict[int, list[float]]:
        """Return process -> medians of the five fifths of its looks, MiB."""
        return {pid: [float(np.median(part)) for part in np.array_split(seen, 5) if len(part)]
                for pid, seen in self.memory.items()}  # fmt: skip

    def growth(self) -> dict[int, float]:
        """Return process -> MiB by which its last tenth of looks lies above its first, medians."""
        out = {}
        for pid, seen in self.memory.items():
            part = max(len(seen) // 10, 1)
            out[pid] = float(np.median(seen[-part:]) - np.median(seen[:part]))
        return out


async def soak(
    server: Server, seconds: float, models: Sequence[str], rate: float = 20.0, warm: float = 0.2, looks: int = 200
) -> SoakFound:
    """Ask, stream, vote, take back and forget at a steady rate, and look at every process's memory.

    Of twenty requests eight are decisions, six streams and six votes of users who come back. Of a hundred one takes a
    vote back, and one forgets a user, who begins again: what must be remembered does not grow.

    Args:
        server: The gateway.
        seconds: How long.
        models: Two names.
        rate: Requests a second.
        warm: Share of the time before the first look.
        looks: At memory.
    """
    found, rng = SoakFound(), np.random.default_rng(0)
    begin, open_ones, number, next_look = time.monotonic(), set(), 0, warm * seconds

    async def work(number: int) -> None:
        # Every twenty requests are one user's; who is forgotten has asked nothing for a while, and will not soon.
        user = f"soak {number // 20 % PEOPLE}"
        try:
            if number % 100 == 99:
                # Another one in five with every round of all users, so that nobody is left out for ever.
                gone = number // 20 + PEOPLE // 2 + number // (20 * PEOPLE) % 5
                await request(server.url, f"/v1/users/soak%20{gone % PEOPLE}", None, "DELETE")
            elif (kind := number % 20) < 8:
                # New texts too: half of the questions were never asked.
                text = f"query {number % 50}" if number % 2 else f"question {rng.integers(1 << 60)}"
                await request(server.url, "/v1/route", {"user": user, "query": text})
            elif kind < 14:
                asked = {"role": "user", "content": f"query {number % 50}"}
                body = {"model": "gmt/auto", "user": user, "stream": True, "messages": [asked]}
                async with _sent(server.url, "/v1/chat/completions", body) as reader:
                    if b"data: [DONE]" not in await reader.read():
                        raise RunError("a stream broke off")
            else:
                asked = await request(server.url, "/v1/route", {"user": user, "query": f"query {number % 50}"})
                said = {"decision": asked["decision"], "winner": models[0], "loser": models[1]}
                told = await request(server.url, "/v1/feedback", said | {"words": f"remark {number}"})
                if number % 100 == 38:
                    await request(server.url, f"/v1/feedback/{told['id']}", None, "DELETE")
            found.requests += 1
        except (RunError, OSError, asyncio.IncompleteReadError) as error:
            found.failed.append(f"{number}: {error!r}")

    while (gone := time.monotonic() - begin) < seconds:
        if gone >= next_look:
            next_look += (1 - warm) * seconds / looks
            for pid, size in server.memory().items():
                found.memory.setdefault(pid, []).append(size)
        await asyncio.sleep(max(number / rate - gone, 0))
        if len(open_ones) >= AT_ONCE:  # a busy machine falls behind; a queue without end would be what is measured
            await asyncio.wait(open_ones, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(work(number))
        open_ones.add(task)
        task.add_done_callback(open_ones.discard)
        number += 1
    await asyncio.gather(*open_ones)
    return found


async def request(
    url: str, path: str, body: Mapping[str, Any] | None, method: str = "POST", allowed: Sequence[int] = (200,)
) -> dict[str, Any]:
    """Send one request over a connection of its own; return the JSON of its answer.

    Raises:
        RunError: It was answered with a status that is not among those allowed.
    """
    async with _sent(url, path, body, method, allowed) as reader:
        return json.loads(await reader.read())


class _sent:
    """Send a request and give the reader of its answer's body, which ends with the connection.

    By hand, for a thousand clients of a library would need the cores that the gateway is timed on.
    """

    def __init__(
        self, url: str, path: str, body: Mapping[str, Any] | None, method: str = "POST", allowed: Sequence[int] = (200,)
    ) -> None:
        self.host, _, self.port = url.removeprefix("http://").partition(":")
        raw = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.0\r\nhost: {self.host}\r\ncontent-length: {len(raw)}\r\n"
        self.raw, self.allowed, self.what = f"{head}\r\n".encode() + raw, allowed, f"{method} {path}"
        self.writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> asyncio.StreamReader:
        reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        self.writer.write(self.raw)
        await self.writer.drain()
        status = int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])
        if status not in self.allowed:
            said = (await reader.read()).decode("utf-8", "replace")[:200]
            self.writer.close()
            raise RunError(f"{self.what} was answered with {status}: {said}")
        return reader

    async def __aexit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()


async def stream_load(gateway: Server, upstream: Server, model: str, count: int, rate: float) -> dict[str, Any]:
    """Return what first bytes cost through the gateway while `count` streams are open, by their p50 and p99.

    The same streams are opened to the upstream itself, to the gateway by a plain name, and to the gateway routed.
    """
    before, found = sum(gateway.memory().values()), {}
    works: dict[str, Callable[[], Awaitable[StreamsFound]]] = {
        "upstream alone": lambda: many_streams(upstream.url, model, count, rate),
        "plain name": lambda: many_streams(gateway.url, model, count, rate),
        "routed": lambda: many_streams(gateway.url, "gmt/auto", count, rate),
    }
    peak = 0.0

    async def watched() -> None:
        nonlocal peak
        while True:
            peak = max(peak, sum(gateway.memory().values()))
            await asyncio.sleep(0.25)

    watcher = asyncio.create_task(watched())
    for name, work in works.items():
        one = await work()
        p50, p99 = np.quantile(np.array(one.first) * 1e3, [0.5, 0.99])
        found[name] = {"p50": float(p50), "p99": float(p99), "complete": one.complete, "together": one.together}
    watcher.cancel()
    after = sum(gateway.memory().values())
    return {**found, "memory, MiB": {"before": before, "most": peak, "after": after}}


if __name__ == "__main__":
    from gmt.gateway.worker import ServeOptions, serve_until_stopped

    run, pool, workers, state, port = sys.argv[1:6]
    serve_until_stopped(ServeOptions(run, pool, state or None, port=int(port), workers=int(workers), quiet=True))
