"""Send chat requests over connections that stay open, with next to no work of the client's own in what is timed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gmt.errors import RunError

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class TimedAnswer:
    """Hold an answer with when its first and its last byte came, seconds after it was asked for."""

    first: float
    last: float
    body: bytes


@dataclass
class KeptConnections:
    """Hold the idle connections to one server; as many are opened as requests are under way at once.

    By hand, for a client library takes as long for a request as a fast gateway does, on the same cores.

    Args:
        url: `http://HOST:PORT`.
        key: API key to send, if any.
    """

    url: str
    key: str | None = None
    _idle: list[Connection] = field(default_factory=list)

    async def ask(self, body: Mapping[str, Any], path: str = "/v1/chat/completions") -> TimedAnswer:
        """Send a request and read the whole answer.

        Raises:
            RunError: It was answered with another status than 200.
        """
        host, _, port = self.url.removeprefix("http://").partition(":")
        raw = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        if self.key is not None:
            head += f"authorization: Bearer {self.key}\r\n"
        sent = f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw
        start = time.perf_counter()
        reader, writer = self._kept() or await asyncio.open_connection(host, int(port))
        try:
            writer.write(sent)
            found = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            named = (line.partition(":") for line in found[1:])
            headers = {name.lower(): value.strip() for name, _, value in named}
            first, whole = await self._body(reader, headers, start)
        except BaseException:
            writer.close()
            raise
        last = time.perf_counter() - start
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        if found[0].split(" ")[1] != "200":
            raise RunError(f"{path} was answered with {found[0]}: {whole[:200].decode('utf-8', 'replace')}")
        return TimedAnswer(first, last, whole)

    def _kept(self) -> Connection | None:
        """Return an idle connection; servers close those that are idle for seconds."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _body(
        self, reader: asyncio.StreamReader, headers: Mapping[str, str], start: float
    ) -> tuple[float, bytes]:
        """Return when the first bytes of the body came, and all of it."""
        if "content-length" in headers:
            whole = await reader.readexactly(int(headers["content-length"]))
            return time.perf_counter() - start, whole
        parts, first = [], 0.0
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
            first = first or time.perf_counter() - start
        await reader.readline()  # the blank line behind the last chunk
        return first, b"".join(parts)

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()
