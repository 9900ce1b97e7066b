"""Keep linear algebra on one thread for a block of many small solves, where more threads cost more than they give."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the libraries that are loaded use one thread inside the block, and as many as before after it."""
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Find the libraries that have threads of their own, anew only where modules were imported since.

    Libraries come with modules, and looking for them reads all that the process has mapped, which takes longer than
    many of the blocks.

    Args:
        modules: How many modules are loaded.
    """
    return ThreadpoolController()
