"""Say how many threads the libraries of numbers start, and that those that wait sleep."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from gmt.errors import ConfigError

THREADS = "GMT_THREADS"
"""Environment variable: threads of each process; as many as cores it may use by default."""
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SLEEP = {
    # GNU's and Intel's OpenMP, then OpenBLAS, whose number is a power of two of clock ticks: 4 is the least it takes.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "KMP_BLOCKTIME": "0",
    "OPENBLAS_THREAD_TIMEOUT": "4",
}
"""What keeps threads that wait for work from turning round for it, which takes cores from other processes."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def settle_threads(environment: MutableMapping[str, str]) -> int:
    """Set how threads are started and wait, before a library of numbers is loaded; what a user has set stays.

    The number does not follow the load of the machine: sums of the network's training are rounded by the number of
    threads, and a run must not depend on what else was running.

    Args:
        environment: Of this process, from which libraries read it once, when they are loaded.

    Returns:
        How many threads a library starts.

    Raises:
        ConfigError: $GMT_THREADS is no number of threads.
    """
    given = environment.get(THREADS, "")
    if given and not (given.isascii() and given.isdigit() and int(given) > 0):
        raise ConfigError(f"{THREADS} is {given[:40]!r}; expected a number of threads from 1 on, or leave it unset")
    for name, value in SLEEP.items():
        environment.setdefault(name, value)
    for name in COUNTS:
        if given:
            environment[name] = given
        else:
            environment.setdefault(name, str(usable_cores()))
    return int(given or environment[COUNTS[0]].partition(",")[0])


def usable_cores(quota: Path = QUOTA) -> int:
    """Return how many cores this process may use: those it is bound to, or fewer where its group has a quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text("utf-8").split()
        return max(1, min(bound, round(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max": no quota
        return bound
