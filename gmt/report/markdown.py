"""Write numbers with their intervals, and tables of them, as Markdown: the one place where gmt does either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The lower end of a − b, turned, is the upper one of b − a.
TURNED = {"value": "value", "low": "high", "high": "low"}


def interval_cell(metric: Mapping[str, float | None] | None, sign: str = "", digits: int = 3) -> str:
    """Write a value with its interval, a dash in place of one that too few users allow or of what was not measured.

    Args:
        metric: `value`, `low` and `high`, as results files hold them.
        sign: `+` shows the sign of what is above zero too, as differences want it.
        digits: Digits after the point.
    """
    if metric is None:
        return "–"
    if metric["low"] is None or metric["high"] is None:
        return f"{metric['value']:{sign}.{digits}f} –"
    value, low, high = (f"{metric[key]:{sign}.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def turned(metric: Mapping[str, float | None] | None) -> dict[str, float | None] | None:
    """Return b − a with its interval for a − b with its own."""
    if metric is None:
        return None
    return {key: None if (end := metric[of]) is None else -end for key, of in TURNED.items()}


def table(corner: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Return a table of numbers: names of rows at the left, everything else at the right of its column.

    Args:
        corner: Heads the names.
        heads: Heads of the columns.
        rows: Name -> a cell for every column.
    """
    # `--:` sets numbers right, so that digits stand below one another.
    lines = [f"| {corner} | " + " | ".join(heads) + " |", "|---" + "|--:" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(row) + " |" for name, row in rows.items())]) + "\n"


def comparison_table(corner: str, columns: Mapping[str, tuple[Mapping[str, Any], str]]) -> str:
    """Return a table of routers, then of how far the reference is ahead of each.

    Args:
        corner: Heads the names.
        columns: Head -> what a results file holds of one number of shots, and the metric to show.
    """
    # Rows are those of the first column; a router that a later one lacks gets a dash there.
    first = next(iter(columns.values()))[0]
    rows = {
        name: [interval_cell(found[part].get(name, {}).get(metric), sign) for found, metric in columns.values()]
        # `differences` hold names of pairs, so their rows do not meet those of `routers`.
        for part, sign in (("routers", ""), ("differences", "+"))
        for name in first[part]
    }
    return table(corner, list(columns), rows)
