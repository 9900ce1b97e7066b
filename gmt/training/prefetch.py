"""Make the next item in a thread while the last one is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def core_to_spare(device: torch.device) -> bool:
    """Tell whether a thread beside the steps has a core of its own: they run on a GPU, or not on every core.

    Where all cores are busy with the step, a thread beside it was measured to take as long as it saves.
    """
    return device.type != "cpu" or (os.cpu_count() or 1) > torch.get_num_threads()


def prefetch(make: Callable[[int], T], numbers: Iterable[int], threaded: bool) -> Iterator[tuple[int, T]]:
    """Yield each number with what is made of it, in order.

    Args:
        make: What it raises is raised where its item would come.
        numbers: What to make.
        threaded: Call `make` in a thread of its own, one call at a time, one number before it is wanted; it must not
            depend on what is done with the last item meanwhile. Else everything is made when it is wanted.
    """
    if not threaded:
        yield from ((number, make(number)) for number in numbers)
        return
    # One worker: `make` may read what is not safe from two threads, and one item ahead is all that is needed.
    with ThreadPoolExecutor(1, "prefetch") as pool:
        last = None
        for number in numbers:
            # Submitted before the last item is handed out, so that both are at work at once.
            coming = number, pool.submit(make, number)
            if last is not None:
                yield last[0], last[1].result()
            last = coming
        if last is not None:
            yield last[0], last[1].result()
