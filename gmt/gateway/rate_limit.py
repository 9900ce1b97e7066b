"""Count requests of each caller, and refuse those beyond a steady rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from gmt.gateway.api_errors import ApiError

CALLERS = 10_000
"""Buckets held at once; beyond that those that are full again go first."""


class RateLimit:
    """Hold a bucket of tokens per caller, filled steadily, of which every request takes one.

    Args:
        per_minute: Requests per minute, also at once; 0 is no limit.
        now: Returns seconds.
    """

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._now = per_minute, now
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Count one request.

        Raises:
            ApiError: It is one too many; the header says when to come again.
        """
        if not self.per_minute:
            return
        now, rate = self._now(), self.per_minute / 60
        held, since = self._buckets.get(caller, (float(self.per_minute), now))
        held = min(held + (now - since) * rate, float(self.per_minute))
        if held < 1:
            wait = math.ceil((1 - held) / rate)
            raise ApiError(429, f"more than {self.per_minute} requests a minute", "rate_limit_exceeded",
                           {"retry-after": str(wait)})  # fmt: skip
        self._buckets[caller] = (held - 1, now)
        if len(self._buckets) > CALLERS:
            full = [key for key, (left, at) in self._buckets.items() if left + (now - at) * rate >= self.per_minute]
            for key in full or list(self._buckets)[: CALLERS // 10]:
                del self._buckets[key]
