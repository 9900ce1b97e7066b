"""Start a server as a process of its own, and say what memory it and its workers hold."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmt.errors import RunError

LONGEST_START = 300.0
"""Seconds within which a server must answer."""


@dataclass(frozen=True)
class Server:
    """Hold where a server answers, the number of its process, and the seconds from its start to its first answer."""

    url: str
    pid: int
    start_seconds: float = 0.0

    def processor_seconds(self) -> float:
        """Return the processor time that this server and every process it started have taken; 0 beside Linux."""
        return sum(_processor(pid) for pid in _family(self.pid))

    def memory(self) -> dict[int, float]:
        """Return process -> MiB in memory of this server and of every process it started; empty beside Linux."""
        return {pid: found for pid in _family(self.pid) if (found := _resident(pid)) is not None}


@contextlib.contextmanager
def server_process(
    command: Sequence[str], path: str = "/ready", environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server that takes its port as last argument; give it once it answers, and end it with the block.

    Args:
        command: Of the server, without the port.
        path: What it answers with 200 when it is ready.
        environment: Added to this process's own; an empty `PYTHONPATH` is for a server of another installation.

    Raises:
        RunError: It ended before it answered, or did not answer within five minutes.
    """
    import httpx

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    added = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **(environment or {})}
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen([*command, str(port)], env={**os.environ, **added}, stdout=nowhere, stderr=nowhere)
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url + path, timeout=60).status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > began + LONGEST_START:
                raise RunError(f"a server to be timed ended with {process.poll()} before it answered: {command[0]}")
            time.sleep(0.2)
        yield Server(url, process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(60)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:  # grows while it is read
        with contextlib.suppress(OSError):
            found += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
    return found


def _processor(pid: int) -> float:
    with contextlib.suppress(OSError):
        # A name stands in brackets and may hold blanks; user and system time are the 12th and 13th behind it.
        behind = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(behind[11]) + int(behind[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _resident(pid: int) -> float | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None
