"""Time the gateway beside LiteLLM's proxy: one upstream, one client, the same requests, each in its turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gmt.bench.instant_upstream import WORD, WORDS
from gmt.bench.kept_connections import KeptConnections
from gmt.bench.made_data import made_dataset, made_run
from gmt.bench.server_process import Server, server_process
from gmt.errors import RunError, UserError
from gmt.gateway.api_keys import hash_of
from gmt.runs import RunFolder

UPSTREAM, PLAIN, LITELLM, ROUTED = "upstream alone", "gmt, plain name", "LiteLLM", "gmt/auto"
KINDS = ("whole answer", "first byte of a stream")
RATES = (20, 50, 200)
"""Requests a second, sent whether or not those before are answered."""
AT_ONCE = 16
"""Requests under way together where it is looked how many are answered a second."""
TURNS = 2
"""How often everybody's turn comes at each rate."""
QUESTIONS, VOTES = 50, 5
# What its documentation advises for production, and nothing that it would not do here: no database, no look at the
# network for prices, no log of requests, no checks of upstreams' health.
LITELLM_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
    "PYTHONPATH": "",
}
LITELLM_SETTINGS = {
    "litellm_settings": {"set_verbose": False, "json_logs": False, "request_timeout": 600, "callbacks": []},
    "general_settings": {"disable_spend_logs": True, "disable_error_logs": True, "background_health_checks": False},
}


@dataclass(frozen=True, eq=False)
class Turn:
    """Hold one way that the same request can go.

    Args:
        name: Of the way.
        server: Whom the request is sent to.
        model: The name it asks for.
        connections: To that server.
        failed: What was said of requests that were not answered.
    """

    name: str
    server: Server
    model: str
    connections: KeptConnections
    failed: list[str] = field(default_factory=list)

    async def ask(self, number: int, kind: str, users: int) -> float:
        """Return the seconds until a whole answer, or the first byte of a stream that then comes whole; NaN if none."""
        streams = kind != KINDS[0]
        asked = {"role": "user", "content": f"query {number % QUESTIONS}"}
        body = {"model": self.model, "user": f"u{number % users}", "stream": streams, "messages": [asked]}
        try:
            found = await self.connections.ask(body)
        except (RunError, OSError, asyncio.IncompleteReadError) as error:
            self.failed.append(str(error)[:200])
            return float("nan")
        if found.body.count(WORD.encode()) != WORDS or streams != (b"data: [DONE]" in found.body):
            raise RunError(f"{self.name} gave another answer than the upstream: {found.body[:200]!r}")
        return found.first if streams else found.last


def beside_litellm(executable: Path, users: int, requests: int, seconds: float = 2.0) -> dict[str, Any]:
    """Start an upstream that answers at once, the gateway and LiteLLM's proxy, a process each, and time all of them.

    Args:
        executable: `litellm` of an environment in which `litellm[proxy]` is installed.
        users: Known people of the gateway's run.
        requests: Requests of each kind that are sent one at a time.
        seconds: Of each turn at a rate.

    Raises:
        UserError: There is no such executable.
    """
    found = found_executable(executable)
    version = version_of(found)
    with tempfile.TemporaryDirectory() as folder, _started(Path(folder), found, users) as turns:
        return {"LiteLLM": version, **asyncio.run(_measured(turns, users, requests, seconds))}


def found_executable(executable: Path) -> str:
    """Return the path of LiteLLM's command.

    Raises:
        UserError: There is none.
    """
    found = shutil.which(executable)
    if found is None:
        raise UserError(
            f"{executable} is no executable; install 'litellm[proxy]' in an environment of its own and name its "
            "bin/litellm"
        )
    return found


def version_of(executable: str) -> str:
    """Return what `litellm --version` says.

    Raises:
        UserError: It says none, so that it is something else.
    """
    environment, command = {**os.environ, **LITELLM_ENVIRONMENT}, [executable, "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment).stdout
    number = re.search(r"\d+\.\d+\.\d+\S*", said)
    if number is None:
        raise UserError(f"{executable} --version names no version; expected LiteLLM's command, bin/litellm")
    return number[0]


@contextlib.contextmanager
def _started(root: Path, litellm: str, users: int) -> Iterator[list[Turn]]:
    """Start all three, and give the ways a request can go."""
    data = made_dataset(users, VOTES, width=64)
    made_run(RunFolder(root / "run"), data)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(server_process([sys.executable, "-m", "gmt.bench.instant_upstream"], "/"))
        # 1. Ours as anybody starts it, one process, requests not logged. Both ask for a key; theirs would not start
        #    without one.
        key = f"sk-{secrets.token_hex(32)}"
        known = {"tenant": "bench", "sha256": hash_of(key), "admin": True}
        pool = {"models": {name: {"url": f"{upstream.url}/v1"} for name in data.models}, "keys": [known]}
        (root / "pool.yaml").write_text(json.dumps(pool))  # JSON is YAML
        ours = [sys.executable, "-m", "gmt", "serve", "--run", str(root / "run"), "--pool", str(root / "pool.yaml")]
        gateway = stack.enter_context(server_process([*ours, "--quiet", "--port"]))
        # 2. Theirs likewise; it wants a key of the upstream, whatever that is.
        models = [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": f"{upstream.url}/v1",
                                                    "api_key": "none"}}
            for name in data.models
        ]  # fmt: skip
        (root / "litellm.yaml").write_text(json.dumps({"model_list": models, **LITELLM_SETTINGS}))
        theirs = [litellm, "--config", str(root / "litellm.yaml"), "--host", "127.0.0.1", "--num_workers", "1"]
        environment = {**LITELLM_ENVIRONMENT, "LITELLM_MASTER_KEY": key}
        theirs += ["--telemetry", "False", "--port"]
        proxy = stack.enter_context(server_process(theirs, "/health/liveliness", environment))
        name = next(iter(data.models))
        every = ((UPSTREAM, upstream, name), (PLAIN, gateway, name), (LITELLM, proxy, name),
                 (ROUTED, gateway, "gmt/auto"))  # fmt: skip
        yield [Turn(way, server, model, KeptConnections(server.url, key)) for way, server, model in every]


async def _measured(turns: Sequence[Turn], users: int, requests: int, seconds: float) -> dict[str, Any]:
    out: dict[str, Any] = {"start, s": {}, "memory before, MiB": {}, "one at a time, added, ms": {}}
    for turn in turns[:3]:
        out["start, s"][_server_of(turn)] = turn.server.start_seconds
        out["memory before, MiB"][_server_of(turn)] = sum(turn.server.memory().values())
    for number in range(QUESTIONS):  # not timed: what is made once, and the texts of the decisions
        for turn in turns:
            for kind in KINDS:
                await turn.ask(number, kind, users)
    # 1. One at a time, everybody's request of one number beside the others', so that a busy machine slows all alike.
    for kind in KINDS:
        took: dict[str, list[float]] = {turn.name: [] for turn in turns}
        for number in range(requests):
            for turn in np.roll(np.array(turns, object), number).tolist():
                took[turn.name].append(await turn.ask(number, kind, users))
        base = np.array(took[UPSTREAM])
        added = {name: _percentiles(np.array(some) - (0 if name == UPSTREAM else base)) for name, some in took.items()}
        out["one at a time, added, ms"][kind] = added
    # 2. At a steady rate, each in its turn.
    for rate in RATES:
        out[f"{rate} a second, added, ms"] = {kind: await _at_rate(turns, rate, kind, users, seconds) for kind in KINDS}
    # 3. As many as are answered, and what each takes of a processor.
    full: dict[str, list[tuple[float, float]]] = {turn.name: [] for turn in turns}
    for _ in range(TURNS):
        for turn in turns:
            full[turn.name].append(await _saturated(turn, users, seconds))
    mean = {name: np.array(found).mean(axis=0).tolist() for name, found in full.items()}
    out["answers a second, as many as go"] = {name: answered for name, (answered, _) in mean.items()}
    out["processor ms an answer"] = {name: worked for name, (_, worked) in mean.items()}
    out["memory after, MiB"] = {_server_of(turn): sum(turn.server.memory().values()) for turn in turns[:3]}
    out["not answered"] = {turn.name: len(turn.failed) for turn in turns}
    for turn in turns:
        turn.connections.close()
    return out


async def _at_rate(turns: Sequence[Turn], rate: int, kind: str, users: int, seconds: float) -> dict[str, Any]:
    """Return way -> percentiles of what it adds to the upstream's median at the same rate."""
    took: dict[str, list[float]] = {turn.name: [] for turn in turns}

    async def one(turn: Turn, number: int, due: float) -> None:
        # From when it was due, for a server that is behind must not be asked less.
        late = time.perf_counter() - due
        took[turn.name].append(late + await turn.ask(number, kind, users))

    for _ in range(TURNS):
        for turn in turns:
            begin, under_way = time.perf_counter(), []
            for number in range(int(rate * seconds)):
                due = begin + number / rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                under_way.append(asyncio.create_task(one(turn, number, due)))
            await asyncio.gather(*under_way)
    base = float(np.nanmedian(took[UPSTREAM]))
    return {name: _percentiles(np.array(some) - (0 if name == UPSTREAM else base)) for name, some in took.items()}


async def _saturated(turn: Turn, users: int, seconds: float) -> tuple[float, float]:
    """Return whole answers a second while `AT_ONCE` are always under way, and processor milliseconds of each."""
    begin, answered, before = time.perf_counter(), 0, turn.server.processor_seconds()

    async def one(first: int) -> None:
        nonlocal answered
        number = first
        while time.perf_counter() - begin < seconds:
            await turn.ask(number, KINDS[0], users)
            answered, number = answered + 1, number + AT_ONCE

    await asyncio.gather(*(one(number) for number in range(AT_ONCE)))
    took = time.perf_counter() - begin
    return answered / took, 1e3 * (turn.server.processor_seconds() - before) / max(answered, 1)


def _server_of(turn: Turn) -> str:
    return "gmt" if turn.name == PLAIN else turn.name


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    middle, high, last = np.nanquantile(seconds * 1e3, [0.5, 0.9, 0.99])
    return {"p50": float(middle), "p90": float(high), "p99": float(last)}


def rows_beside_litellm(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (what, value) lines of everything found."""
    out = [("LiteLLM", str(found["LiteLLM"]))]
    for what, one in found.items():
        if what == "LiteLLM":
            continue
        for name, value in one.items():
            if isinstance(value, dict):
                # Of the upstream itself it is the time, not what is added.
                out += [
                    (f"{what.replace(', added', '') if way == UPSTREAM else what}; {name}; {way}",
                     ", ".join(f"{key} {number:.2f}" for key, number in numbers.items()))
                    for way, numbers in value.items()
                ]  # fmt: skip
            else:
                out.append((f"{what}; {name}", f"{value:,.2f}" if value < 100 else f"{value:,.0f}"))
    return out
