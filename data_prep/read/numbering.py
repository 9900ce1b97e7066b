"""Give every name once."""

from __future__ import annotations

from collections import Counter


class Numbering:
    """Give every name once: the second use of `x` becomes `x#2`."""

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()

    def unique(self, name: str) -> str:
        """Return the name, with a number where it was given out before."""
        self.used[name] += 1
        return name if self.used[name] == 1 else f"{name}#{self.used[name]}"
