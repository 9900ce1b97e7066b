"""Measure trainings that share a machine: two at once beside one alone, and one whose table is larger than memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmt.errors import UserError

MEMORY_GROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"))
"""Where groups of processes with a limit of memory are made: version 2 and version 1 of the interface."""
LIMITS = ("memory.max", "memory.limit_in_bytes")
PEAKS = ("memory.peak", "memory.max_usage_in_bytes")


@dataclass(frozen=True)
class Used:
    """Say what some commands took together.

    Args:
        seconds: From the start of the first to the end of the last.
        processor_seconds: Of all of them, which a busy machine does not lengthen, but threads that spin do.
        peak_gib: The most memory that any of them held, files it mapped included.
    """

    seconds: float
    processor_seconds: float
    peak_gib: float


def run_together(commands: Sequence[Sequence[str]], group: Path | None = None) -> Used:
    """Run some command lines of gmt at once.

    Args:
        commands: The arguments of each.
        group: The group they join, before they load anything.

    Raises:
        UserError: One of them failed.
    """
    join = "import os, sys\nif sys.argv[1]: open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    code = join + "from gmt.cli.main import main\nmain(sys.argv[2:])"
    place = "" if group is None else str(group / "cgroup.procs")
    started = time.perf_counter()
    running = [
        subprocess.Popen([sys.executable, "-c", code, place, *command], stdout=subprocess.DEVNULL)
        for command in commands
    ]
    processor, peak = 0.0, 0.0
    for command, process in zip(commands, running, strict=True):
        # Waited for by hand, for only this call says what a single child has used.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise UserError(f"gmt {' '.join(command)} ended with {process.returncode}; see what it said above")
        processor, peak = processor + used.ru_utime + used.ru_stime, max(peak, used.ru_maxrss / 2**20)
    return Used(time.perf_counter() - started, processor, peak)


def two_trainings(data: Path, settings: Sequence[str], repeats: int) -> dict[str, Any]:
    """Time two trainings at once beside one alone, in turn.

    Args:
        data: Data folder.
        settings: As for `gmt train --set`.
        repeats: Rounds; the median one counts.

    Returns:
        What one and two took, and how many times as much two did: of the time, and of the processors'.
    """
    chosen = [part for setting in settings for part in ("--set", setting)]
    found: dict[str, list[Used]] = {"one": [], "two": []}
    with tempfile.TemporaryDirectory() as folder:
        commands = [["train", str(data), "--run", f"{folder}/{name}", "--quiet", *chosen] for name in ("a", "b")]
        for _ in range(repeats):
            found["one"].append(run_together(commands[:1]))
            found["two"].append(run_together(commands))
    one, two = (sorted(rounds, key=lambda used: used.seconds)[len(rounds) // 2] for rounds in found.values())
    return {
        "one": vars(one),
        "two": vars(two),
        "times as long": two.seconds / one.seconds,
        "times the processors": two.processor_seconds / one.processor_seconds,
    }


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Make a group whose processes may hold no more than so many bytes, and remove it in the end.

    Raises:
        UserError: This machine lets nobody make one.
    """
    for root, name in zip(MEMORY_GROUPS, LIMITS, strict=True):
        group = root / f"gmt-bench-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / name).exists():
                (group / name).write_text(str(limit))
                yield group
                return
        finally:
            group.rmdir()
    raise UserError("no control group for memory can be made here; run this as root, or under systemd-run --user")


def peak_of(group: Path) -> float:
    """Return the most memory that a group has held, in GiB, files in the cache of the system included."""
    return next(int((group / name).read_text()) for name in PEAKS if (group / name).is_file()) / 2**30
