"""Set a number of ours beside the strongest rival and beside what is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.reproduce.part import Claim, ComparedNumber

TIMES = ("ms", "s")


def shown(value: Mapping[str, float | None] | float | None, unit: str = "", sign: str = "") -> str:
    """Write a number, with its interval where it has one; a dash in place of none.

    Args:
        value: A number, or `value`, `low` and `high`.
        unit: `%` states a share in per cent; times have three figures, all else thousandths.
        sign: `+` shows the sign of what is above zero too.
    """
    if value is None:
        return "–"
    parts = value if isinstance(value, Mapping) else {"value": value}
    texts = {key: _digits(float(of), unit, sign) for key, of in parts.items() if key in ENDS and of is not None}
    behind = f" {unit}" if unit else ""
    if "low" in texts and "high" in texts:
        return f"{texts['value']} [{texts['low']}, {texts['high']}]{behind}"
    return texts["value"] + behind


ENDS = ("value", "low", "high")


def _digits(value: float, unit: str, sign: str) -> str:
    if unit in TIMES:
        return f"{value:{sign}.3g}"
    if unit == "%":
        return f"{100 * value:{sign}.1f}"
    # Thousandths without the leading zero, as in the tables of results.
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def against_paper(number: ComparedNumber, found: Mapping[str, Any]) -> str:
    """Say how ours lies to what the paper states; a dash where it states no number to compare with."""
    claim = number.paper
    if claim is None or claim.low is None:
        return "–"
    mine = _ours(claim, number, found)
    if mine is None:
        return "–"
    high = claim.low if claim.high is None else claim.high
    better = 1 if number.better == "higher" else -1
    percent = claim.kind == "gain %"
    if claim.low == high:
        gap = mine - claim.low
        points = gap if percent else 100 * gap
        return f"{points:+.1f} points" if percent or number.unit == "%" else shown(gap, number.unit, "+")
    said = f"{mine:+.1f} %" if percent else shown(mine, number.unit, "+" if claim.kind == "gain" else "")
    if claim.low <= mine <= high:
        return f"{said}: within the range"
    return f"{said}: {'above' if better * (mine - high) > 0 else 'below'} the range"


def _ours(claim: Claim, number: ComparedNumber, found: Mapping[str, Any]) -> float | None:
    """Return of ours what the claim states of theirs."""
    if claim.kind == "value":
        return found["ours"]["value"]
    rival, gap = found.get("rival"), found.get("gap")
    if rival is None or gap is None:
        return None
    ahead = gap["value"] if number.better == "higher" else -gap["value"]
    return ahead if claim.kind == "gain" else 100 * ahead / abs(rival["value"])
