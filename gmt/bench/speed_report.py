"""Run the benchmarks chosen, and lay them out as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gmt.bench import encoding_speed, fit_sizes, gateway_speed, routing_speed, training_speed
from gmt.bench.beside_litellm import beside_litellm, found_executable, rows_beside_litellm
from gmt.bench.timing import machine
from gmt.files import write_json, write_text

PARTS = ("encoder", "step", "scale", "fit", "route", "adapt", "prep", "encode", "serve")


@dataclass(frozen=True)
class Sizes:
    """Say how much is measured.

    Args:
        turns, width: Of the encoder's graph.
        repeats: Rounds of every timing.
        scale: (users, votes each) of the scaling series.
        fit: Users, of 40 votes each, that the closed form is fitted to.
        queries: Votes, each on a query of its own, that it is fitted to.
        votes: Sizes of a history that one more vote joins.
        rows: Votes prepared.
        decisions: Single decisions timed.
        others: Votes of others beside those that one more vote joins.
        served: Known people of the gateway's run.
        turn_seconds: Of each turn at a rate beside LiteLLM.
        encoded: Queries encoded one by one.
    """

    turns: int = 20_000
    width: int = 384
    repeats: int = 9
    scale: tuple[tuple[int, int], ...] = ((1000, 10), (10_000, 10), (100_000, 10))
    fit: tuple[int, ...] = (1000, 4000)
    queries: tuple[int, ...] = (10_000,)
    votes: tuple[int, ...] = (10, 40, 160, 1000)
    rows: int = 50_000
    decisions: int = 300
    others: int = 1_000_000
    served: int = 10_000
    turn_seconds: float = 2.0
    encoded: int = 100


# QUICK shows that everything runs; its sizes are too small to say how fast.
QUICK = Sizes(1_000, 64, 3, ((200, 10), (2000, 10)), (20,), (200,), (10, 40), 2_000, 30, 2_000, 50, 0.3, 5)
FULL = Sizes(
    scale=((1000, 10), (10_000, 10), (100_000, 10), (1_000_000, 5)),
    fit=(1000, 4000, 16_000, 100_000),
    queries=(10_000, 100_000, 1_000_000),
    rows=200_000,
)


def run_bench(
    parts: Iterable[str],
    sizes: Sizes,
    run: Path | None,
    progress: Callable[[str], object] | None = None,
    litellm: Path | None = None,
) -> dict[str, Any]:
    """Measure the parts and return everything found.

    Args:
        parts: Of `PARTS`.
        sizes: How much.
        run: The run that `route` asks; it is left out without one.
        progress: Called with the name of every part that begins.
        litellm: Its executable, beside whose proxy `serve` times the gateway; `serve` times it alone without one.
    """
    if litellm is not None:
        found_executable(litellm)  # before the parts in front of it have taken minutes
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: dict[str, Any] = {"machine": machine()}
    # Each part behind a function, so that only the chosen ones are run, in the order chosen.
    works: dict[str, Callable[[], Any]] = {
        "encoder": lambda: [
            training_speed.encoder(sizes.turns, sizes.width, 4, 2, sizes.repeats, device),
            training_speed.encoder(sizes.turns, sizes.width, 4, 1, sizes.repeats, device, general=True),
        ],
        "step": lambda: {
            "graph encoder, 200 users": training_speed.step(200, 40, training_speed.step_config(), 2 * sizes.repeats),
            "configs/default.yaml": training_speed.step(200, 40, training_speed.step_config(True), 2 * sizes.repeats),
        },
        "scale": lambda: training_speed.scaling(sizes.scale, 2 * sizes.repeats),
        "fit": lambda: {
            "queries": fit_sizes.query_sizes(sizes.queries),
            "users": fit_sizes.fit_sizes(sizes.fit),
        },
        # A decision can only be timed on a trained run; all other parts make their data themselves.
        "route": lambda: None if run is None else routing_speed.routing(run, sizes.decisions),
        "adapt": lambda: routing_speed.adapting(sizes.votes, sizes.others, 10 * sizes.repeats),
        "prep": lambda: routing_speed.preparing(sizes.rows),
        "encode": lambda: encoding_speed.encoding(encoding_speed.made_queries(sizes.encoded), sizes.repeats // 3),
        "serve": lambda: (
            gateway_speed.gateway_speed(sizes.served, sizes.decisions)
            if litellm is None
            else {"beside LiteLLM": beside_litellm(litellm, sizes.served, sizes.decisions, sizes.turn_seconds)}
        ),
    }
    for part in parts:
        if progress is not None:
            progress(part)
        found[part] = works[part]()
    return found


def rows_of(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (part, what, value) lines, times as median with first and ninth decile."""
    out: list[tuple[str, str, str]] = []
    for one in found.get("encoder", ()):
        # 1. The encoder, beside `HGTConv` and beside the fastest matrix product of the same machine.
        what = "one general layer" if one["general"] else f"{one['layers']} layers from zero users and turns"
        what = f"{what}, {one['turns']:,} turns, width {one['width']}"
        out.append(("encoder", f"{what}: gmt, forward and backward", _time(one["gmt"])))
        out.append(("encoder", f"{what}: HGTConv", _time(one["HGTConv"])))
        out.append(("encoder", f"{what}: times faster", f"{one['times faster']:.1f}"))
        share = f"{one['GFLOP/s']:.0f} of {one['peak GFLOP/s']:.0f} GFLOP/s, {one['share of peak']:.0%}"
        share += f" (of its median {one['share of median matmul']:.0%})"
        out.append(("encoder", f"{what}: of the matmul peak", share))
        least = f"{1e3 * one['roofline s']:.1f} ms at {one['GB/s']:.0f} GB/s for {one['GB moved']:.1f} GB"
        out.append(("encoder", f"{what}: roofline", f"{least}; reached {one['share of roofline']:.0%}"))
    # 2. Training. Memory is what the process ever held, so a later line includes what an earlier one needed.
    for name, one in (found.get("step") or {}).items():
        out += _steps("step", f"{name}, {one['asked']} target pairs", one)
    for one in found.get("scale", ()):
        out += _steps("scale", f"{one['users']:,} users, {one['turns']:,} turns", one)
    for one in (found.get("fit") or {}).get("queries", ()):
        spent = ", ".join(f"{name} {value:.1f}" for name, value in one.items() if name.endswith(" CPU s"))
        rate = f"{spent}; {one['peak GiB']:.2f} GiB at most so far; {'' if one['finite'] else 'NOT '}finite"
        out.append(("fit", f"closed form, {one['queries']:,} distinct queries", rate))
    for one in (found.get("fit") or {}).get("users", ()):
        rate = f"{one['CPU s']:.1f} CPU s, {one['us a comparison']:.0f} us a comparison, {one['peak GiB']:.2f} GiB"
        out.append(("fit", f"closed form, {one['users']:,} users, {one['comparisons']:,} comparisons", rate))
    # 3. Serving and preparing.
    if found.get("route"):
        one = found["route"]
        percentiles = ", ".join(f"{name} {value:.2f}" for name, value in one["decision, ms"].items())
        out.append(("route", f"one decision, {one['votes known']:,} votes known, ms", percentiles))
        out.append(("route", "(user, query, model) triples a second", f"{one['triples/s']:,.0f}"))
    for one in found.get("adapt", ()):
        what = f"one more vote beside {one['votes']:,} of the user and {one['others']:,} of others, then asked"
        worked = one["processor"]["median"] * 1e3
        out.append(("adapt", what, f"{_time(one['one more vote'])}; {worked:.2f} ms of processor"))
    if found.get("prep"):
        one = found["prep"]
        rate = f"{one['rows/s']:,.0f} rows/s, {one['peak GiB']:.2f} GiB at most so far"
        out.append(("prep", f"{one['rows']:,} votes, hashed texts", rate))
    out += encoding_speed.encoding_rows(found.get("encode") or {})
    for name, one in (found.get("serve") or {}).items():
        if name == "beside LiteLLM":
            out += [("beside LiteLLM", what, value) for what, value in rows_beside_litellm(one)]
        elif isinstance(one, dict):
            out.append(("serve", f"{name}, ms", ", ".join(f"{key} {value:.2f}" for key, value in one.items())))
        elif name != "users":
            out.append(("serve", name, f"{one:.2f}"))
    return out


def _steps(part: str, what: str, one: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rest = f"{one['steps/s']:.1f} steps/s, {one['examples/s']:,.0f} pairs/s, {one['peak GiB']:.2f} GiB at most so far"
    return [(part, f"{what}: draw and build", _time(one["build"])), (part, f"{what}: whole step", _time(one["step"])),
            (part, what, rest)]  # fmt: skip


def _time(one: Mapping[str, float]) -> str:
    unit, size = ("s", 1.0) if one["median"] >= 1 else ("ms", 1e3)
    return f"{one['median'] * size:.2f} {unit} [{one['low'] * size:.2f}, {one['high'] * size:.2f}]"


def write_bench(found: Mapping[str, Any], out: Path) -> tuple[Path, Path]:
    """Write bench.json and bench.md into a folder."""
    on = found["machine"]
    lines = [f"{on['processor']}, {on['threads']} threads, GPU {on['gpu'] or 'none'}, torch {on['torch']}", ""]
    lines += ["| part | what | measured |", "|---|---|--:|"]
    lines += [f"| {part} | {what} | {value} |" for part, what, value in rows_of(found)]
    write_text(out / "bench.md", "\n".join(lines) + "\n")
    write_json(out / "bench.json", dict(found))
    return out / "bench.md", out / "bench.json"
