"""Parse JSON of unknown origin: no key twice, no NaN, and no deeper than anything downstream can go."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 100
"""Levels of lists and objects within one another; chat messages need about six."""


def parse_json(raw: str | bytes, nan: bool = False) -> Any:
    """Return the value of a JSON text, with or without a byte order mark.

    Args:
        raw: The text.
        nan: Take NaN and Infinity, which JSON lacks and many programs write; whoever reads on checks numbers.

    Raises:
        ValueError: It is not JSON, is not UTF-8, repeats a key, holds such a number, or is nested too deep.
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    try:
        value = json.loads(
            text.removeprefix("\ufeff"), parse_constant=None if nan else _no_constant, object_pairs_hook=_no_repeats
        )
    except RecursionError as error:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from error
    # Counting brackets is cheap and bounds the depth from above; few texts are looked at more closely.
    if text.count("[") + text.count("{") > DEEPEST and _too_deep(value):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return value


def _too_deep(value: Any) -> bool:
    # Level by level and not by recursion, which the depth that is looked for would break.
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # `json` keeps the last of two equal keys in silence; which one was meant nobody can say.
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
