"""Number decisions so that any process can tell by the number alone whether one was made a moment ago."""

from __future__ import annotations

import hashlib
import secrets
import time

PREFIX = "dec_"
WRAP = 1 << 32
"""Milliseconds after which the times in numbers begin again: seven weeks."""
LENGTH = len(PREFIX) + 36


def new_number(run: str, now: float | None = None) -> str:
    """Return a number that cannot be guessed: milliseconds, 96 random bits, and a mark that only the run's can make.

    Args:
        run: Name of the run in its state, which no client sees.
        now: UTC seconds.
    """
    moment = f"{int(1e3 * (time.time() if now is None else now)) % WRAP:08x}{secrets.token_hex(12)}"
    return PREFIX + moment + _mark(run, moment)


def is_young(number: str, run: str, seconds: float, now: float | None = None) -> bool:
    """Tell whether a decision of this run was made within some seconds, by whichever process.

    Clocks of several machines may differ by as much. Numbers that this run did not give are never young, so nobody is
    made to wait for what somebody made up.
    """
    moment = number[len(PREFIX) : -4]
    if len(number) != LENGTH or not number.isascii() or not number.startswith(PREFIX):
        return False
    if _mark(run, moment) != number[-4:]:
        return False
    age = (int(1e3 * (time.time() if now is None else now)) - int(moment[:8], 16)) % WRAP
    return min(age, WRAP - age) < 1e3 * seconds


def _mark(run: str, moment: str) -> str:
    return hashlib.blake2b(moment.encode(), key=run.encode()[:64], digest_size=2).hexdigest()
