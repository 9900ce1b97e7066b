"""Time things side by side: interleaved, repeated, summed up by median and deciles."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Timing:
    """Hold the times of one thing, in seconds.

    Args:
        median: Of all repeats.
        low, high: First and ninth decile.
        repeats: How many.
    """

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Summarise times."""
        # Not mean and deviation: one pause of the machine would move both.
        low, median, high = np.quantile(np.asarray(seconds), [0.1, 0.5, 0.9])
        return cls(float(median), float(low), float(high), len(seconds))

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def interleaved(works: Mapping[str, Callable[[], object]], repeats: int, warm: int = 1) -> dict[str, Timing]:
    """Time several things in turn, round after round, so that a busy machine slows all alike.

    Args:
        works: Name -> what to run.
        repeats: Rounds that count.
        warm: Rounds before that do not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(warm + repeats):
        for name, work in works.items():
            # A GPU's work is only queued by a call: without waiting, the time of queueing would be measured, and before
            # the start what others left.
            wait_for_gpu()
            started = time.perf_counter()
            work()
            wait_for_gpu()
            if number >= warm:
                seconds[name].append(time.perf_counter() - started)
    return {name: Timing.of(found) for name, found in seconds.items()}


def wait_for_gpu() -> None:
    """Wait for a GPU to finish, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matmul(rows: int, inner: int, columns: int, device: torch.device) -> tuple[Callable[[], object], float]:
    """Return a matrix product of these sizes, and the floating-point operations it takes."""
    a, b = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
    # A multiplication and an addition each.
    return lambda: a @ b, 2.0 * rows * inner * columns


def peak_memory() -> float:
    """Return the most memory this process has held, in GiB."""
    # macOS counts bytes here, Linux kibibytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def machine() -> dict[str, Any]:
    """Say what is measured on."""
    import platform

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": card,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
