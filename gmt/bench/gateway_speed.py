"""Time the gateway as its clients see it: beside the upstream alone, at a steady rate, and from vote to decision."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from gmt.bench.made_data import made_dataset, made_run
from gmt.bench.server_process import server_process
from gmt.errors import RunError
from gmt.runs import RunFolder

RATE = 200
"""Decisions asked for per second."""
VOTES = 5
"""Of every user of the made run."""


def gateway_speed(users: int, requests: int) -> dict[str, Any]:
    """Start an upstream that answers at once and a gateway before it, each a process, and time requests to both.

    Args:
        users: Known people of the made run.
        requests: Requests of each kind.

    Returns:
        Percentiles in milliseconds.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        data = made_dataset(users, VOTES, width=64)
        made_run(RunFolder(root / "run"), data)
        upstream = stack.enter_context(server_process([sys.executable, "-m", "gmt.bench.instant_upstream"], "/")).url
        pool = {"models": {name: {"url": f"{upstream}/v1"} for name in data.models}}
        (root / "pool.yaml").write_text(json.dumps(pool))  # JSON is YAML
        command = [sys.executable, "-m", "gmt.bench.gateway_speed", str(root / "run"), str(root / "pool.yaml")]
        gateway = stack.enter_context(server_process(command)).url
        return {"users": users, **asyncio.run(_measured(gateway, upstream, users, requests, next(iter(data.models))))}


async def _measured(gateway: str, upstream: str, users: int, requests: int, model: str) -> dict[str, Any]:
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:

        async def first_byte(url: str, name: str, number: int) -> float:
            body = {"model": name, "user": f"u{number % users}", "stream": True, "messages": [_asked(number)]}
            start = time.perf_counter()
            async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as got:
                parts: AsyncIterator[bytes] = got.aiter_raw()
                await anext(parts)
                took = time.perf_counter() - start
                async for _ in parts:
                    pass
            return took

        async def decided(number: int) -> float:
            start = time.perf_counter()
            asked = {"user": f"u{number % users}", "query": f"q {number % 50}"}
            got = await client.post(f"{gateway}/v1/route", json=asked)
            got.raise_for_status()
            return time.perf_counter() - start

        async def learned(number: int) -> float:
            asked = {"user": f"fresh {number}", "query": f"q {number % 50}"}
            id = (await client.post(f"{gateway}/v1/route", json=asked)).json()["decision"]
            start = time.perf_counter()
            (await client.post(f"{gateway}/v1/feedback", json={"decision": id, "thumb": "up"})).raise_for_status()
            after = (await client.post(f"{gateway}/v1/route", json=asked)).json()
            if after["votes"] != 1:
                raise RunError("the decision after a vote did not know it")
            return time.perf_counter() - start

        for number in range(60):  # not timed: what is made once, and the texts of the decisions
            await decided(number)
            await first_byte(gateway, model, number)
        # 1. In turn, so that a busy machine slows all alike.
        direct, plain, routed = [], [], []
        for number in range(requests):
            direct.append(await first_byte(upstream, model, number))
            plain.append(await first_byte(gateway, model, number))
            routed.append(await first_byte(gateway, "gmt/auto", number % 50))
        # 2. At a steady rate that does not wait for answers, as people do not.
        alone = [await decided(number) for number in range(requests)]
        start, running = time.perf_counter(), []
        for number in range(5 * requests):
            await asyncio.sleep(max(start + number / RATE - time.perf_counter(), 0))
            running.append(asyncio.create_task(decided(number)))
        steady = await asyncio.gather(*running)
        # 3. From a vote to the decision that knows it.
        feedback = [await learned(number) for number in range(max(requests // 4, 5))]
        numbers = (await client.get(f"{gateway}/metrics")).text
    base = np.array(direct)
    return {
        "first byte, upstream alone": _percentiles(base),
        "first byte, added by the gateway": _percentiles(np.array(plain) - base),
        "first byte, added with routing": _percentiles(np.array(routed) - base),
        "decision, one at a time": _percentiles(np.array(alone)),
        f"decision, {RATE} a second": _percentiles(np.array(steady)),
        "vote to the next decision": _percentiles(np.array(feedback)),
        "inside: choosing, mean ms": 1e3 * _mean(numbers, "gmt_decision_seconds"),
        "inside: encoding, mean ms": 1e3 * _mean(numbers, "gmt_encoding_seconds"),
    }


def _asked(number: int) -> dict[str, str]:
    return {"role": "user", "content": f"q {number % 50}"}


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    middle, high, last = np.quantile(seconds * 1e3, [0.5, 0.9, 0.99])
    return {"p50": float(middle), "p90": float(high), "p99": float(last)}


def _mean(numbers: str, name: str) -> float:
    """Return the mean of a histogram from Prometheus's text form."""
    found = {line.split()[0]: float(line.split()[1]) for line in numbers.splitlines() if line.startswith(name)}
    return found[f"{name}_sum"] / max(found[f"{name}_count"], 1.0)


if __name__ == "__main__":
    from gmt.gateway.worker import ServeOptions, serve_until_stopped

    serve_until_stopped(ServeOptions(sys.argv[1], sys.argv[2], port=int(sys.argv[3])))
