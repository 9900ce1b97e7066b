"""Keep memory that a training step frees for the next step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's `mallopt`, from its malloc.h."""
LARGEST = 32 << 20
"""Bytes; glibc takes no larger threshold."""


def keep_freed_memory() -> bool:
    """Ask the C library not to hand freed memory back to the system, and tell whether it will.

    A step frees what it took and the next takes it again. By default pages go back and come again as
    fresh ones, one page fault each, which costs up to a fifth of a step on a processor. What one
    allocation takes beyond `LARGEST` still goes back. Only glibc has these settings; elsewhere
    nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        change = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    settings = ((M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 8 * LARGEST))
    return sum(change(*one) for one in settings) == len(settings)
