"""Run parts one after the other: what is finished is kept, and a part that fails stops no other."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmt.errors import DataError, RunError, UserError, one_line
from gmt.files import locked, parse_json, write_json
from gmt.reproduce.collect import collect_numbers
from gmt.reproduce.in_process import Command, StepFailed, run_line
from gmt.reproduce.part import Part
from gmt.reproduce.part_inputs import digest_inputs, missing_data
from gmt.reproduce.part_steps import Plan, command_lines
from gmt.reproduce.receipts import Receipts

RESULT = "result.json"


@dataclass(frozen=True)
class PartOutcome:
    """Say what became of a part.

    Args:
        part: The part.
        status: `done`, `kept` (all steps were finished before), `failed`, `missing` (its data are) or `impossible`.
        reason: Why there is no number.
        numbers: As `collect_numbers` returns them.
        seconds: That its steps took just now.
    """

    part: Part
    status: str
    reason: str = ""
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0


def run_parts(
    parts: Iterable[Part], plan: Plan, command: Command, said: Callable[[str], object] = lambda line: None
) -> list[PartOutcome]:
    """Run parts, and return what became of each.

    Args:
        parts: In the order in which they run.
        plan: Where and how.
        command: Runs a line of gmt.
        said: Called with a line for every step that begins and every part that ends.

    Raises:
        RunError: Another process works in the same folder.
    """
    try:
        # Two engines would take each other's half-written files for finished ones.
        with locked(plan.out / plan.mode, timeout=0):
            outcomes = []
            for part in parts:
                outcomes.append(outcome := _run_part(part, plan, command, said))
                said(f"{part.name}: {outcome.status}" + (f", {outcome.seconds:.0f} s" if outcome.seconds >= 1 else ""))
            return outcomes
    except TimeoutError:
        raise RunError(
            f"another gmt reproduce works in {plan.out / plan.mode}; wait for it, or name another --out"
        ) from None


def _run_part(part: Part, plan: Plan, command: Command, said: Callable[[str], object]) -> PartOutcome:
    if part.impossible is not None:
        return PartOutcome(part, "impossible", part.impossible)
    if (lack := missing_data(part, plan)) is not None:
        return PartOutcome(part, "missing", lack)
    work = plan.work(part)
    work.mkdir(parents=True, exist_ok=True)
    receipts, ran, began = Receipts(work), 0, time.monotonic()
    # 1. The steps; one whose receipt holds is passed over.
    for line in command_lines(part, plan, digest_inputs(part, plan)):
        if receipts.finished(line) is not None:
            continue
        said(f"{part.name}: {' '.join(line.words)}")
        started, processor = time.monotonic(), time.process_time()
        receipts.begin(line)
        # What stands there is no result of this part any longer.
        with contextlib.suppress(FileNotFoundError):
            (work / RESULT).unlink()
        try:
            run_line(line.words, work / "logs" / f"step-{line.label}.log", command, plan.data)
        except StepFailed as failure:
            return PartOutcome(part, "failed", f"step {line.label}: {failure}", seconds=time.monotonic() - began)
        receipts.end(line, time.monotonic() - started, time.process_time() - processor)
        ran += 1
    # 2. Its numbers, for the map to read without running anything.
    try:
        numbers = collect_numbers(part, work, plan.quick)
    except (UserError, OSError) as error:
        return PartOutcome(part, "failed", one_line(str(error)), seconds=time.monotonic() - began)
    facts = {
        "part": part.name,
        "quick": plan.quick,
        "seeds": list(plan.seeds_of(part)),
        "command": f"{part.command}{' --quick' if plan.quick else ''}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "numbers": numbers,
    }
    if ran or not (work / RESULT).is_file():
        write_json(work / RESULT, facts)
    return PartOutcome(part, "done" if ran else "kept", "", numbers, time.monotonic() - began)


def finished_result(part: Part, plan: Plan) -> dict[str, Any] | None:
    """Return what a finished part wrote, None where there is nothing of it."""
    try:
        found = parse_json((plan.work(part) / RESULT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    # A quick result that somebody moved here must not pass for a full one.
    if not isinstance(found, dict) or found.get("quick") is not plan.quick:
        return None
    return found


def read_recorded(path: Path) -> dict[str, Any]:
    """Return name of a part -> name of a number -> what was measured when it was recorded.

    Raises:
        DataError: The file is damaged.
    """
    try:
        return parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); install gmt again") from error
