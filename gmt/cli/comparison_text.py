"""Print in what two runs differ, in lines that fit a terminal of 60 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.cli.console import Terminal
from gmt.report.markdown import interval_cell
from gmt.report.result_values import NAMES, OURS

SHOWN = ("auc", "accuracy", "user_auc", "log_loss", "lone_auc")
PARTS = {"settings": "Settings", "fitted": "What training chose", "data": "Data", "versions": "Versions"}
LONG = 48
"""Characters of a value that are shown; --json holds the whole."""


def print_comparison(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print what `compare_runs` found.

    Args:
        terminal: Where to.
        found: What it found.
    """
    first, second = found["runs"]
    terminal.text(f"first   {first}\nsecond  {second}")
    for part, title in PARTS.items():
        if found[part]:
            terminal.text(f"\n{title}, first → second")
            for name, (one, other) in found[part].items():
                terminal.text(f"  {name}: {_change(one, other)}")
        elif part in ("settings", "data"):
            terminal.text(f"\n{title}: the same")
    for label, result in found["results"].items():
        for shots, rows in result["shots"].items():
            _print_numbers(terminal, label if shots == "all" else f"{label}, {shots} shots", result["unpaired"], rows)
    for side, labels in found["only"].items():
        if labels:
            terminal.text(f"\nMeasured for the {side} run only: {', '.join(labels)}")
    if not found["results"]:
        terminal.text("\nNo protocol was measured for both; give both runs to gmt eval to compare numbers.")


def _change(one: Any, other: Any) -> str:
    """Write two values; of lists, what one has and the other lacks."""
    if isinstance(one, list) and isinstance(other, list):
        gone = [str(value) for value in one if value not in other]
        new = [str(value) for value in other if value not in one]
        parts = [f"{len(gone)} left out ({_cut(', '.join(gone))})"] if gone else []
        parts += [f"{len(new)} added ({_cut(', '.join(new))})"] if new else []
        return f"{len(one)} → {len(other)}: {'; '.join(parts) or 'in another order'}"
    return f"{_cut(_value(one))} → {_cut(_value(other))}"


def _value(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def _print_numbers(terminal: Terminal, title: str, unpaired: str | None, rows: Mapping[str, Any]) -> None:
    """Print the numbers of one protocol and one number of shots."""
    terminal.text(f"\n{title}: {_targets(unpaired, rows)}")
    routers = rows["routers"]
    reference = OURS if OURS in routers else next(iter(routers), None)
    if reference is None:
        return
    measured = [metric for metric in SHOWN if (routers[reference]["first"].get(metric) or {}).get("value") is not None]
    width = max(len(NAMES[metric]) for metric in measured or SHOWN)
    terminal.text(f"{reference}, first → second{'' if unpaired else ', second less first'}")
    for metric in measured:
        terminal.text(f"  {NAMES[metric]:<{width}}  {_numbers(routers[reference], metric)}")
    # Rivals are fitted to the same data alike, so most are equal, and only the others are news.
    others = {name: of for name, of in routers.items() if name != reference}
    moved = {name: of for name, of in others.items() if unpaired or _moved(of)}
    metric = measured[0] if measured else "auc"
    if moved:
        terminal.text(f"Others, {NAMES[metric]}")
        width = max(map(len, moved))
        for name, of in moved.items():
            terminal.text(f"  {name:<{width}}  {_numbers(of, metric)}")
    if len(moved) < len(others):
        equal = len(others) - len(moved)
        terminal.text(f"Equal numbers: {equal} {'more router' if equal == 1 else 'more routers'}")


def _targets(unpaired: str | None, rows: Mapping[str, Any]) -> str:
    """Say of which targets the numbers are."""
    asked = rows["asked"]
    if unpaired:
        return f"{unpaired}, so the numbers stand side by side, of {asked['first']:,} and {asked['second']:,} targets."
    if rows["same"]:
        return f"the same {asked['both']:,} targets, paired over users."
    return (
        f"the targets differ. {asked['both']:,} were asked in both, of {asked['first']:,} and {asked['second']:,}; "
        "numbers and intervals are of these alone, paired over users."
    )


def _numbers(of: Mapping[str, Any], metric: str) -> str:
    """Write both values and their difference."""
    first, second = (
        f"{value['value']:.3f}" if (value := of[side].get(metric)) else "–" for side in ("first", "second")
    )
    gap = of["difference"].get(metric)
    return f"{first} → {second}" + (f"  {interval_cell(gap, '+')}" if gap else "")


def _moved(of: Mapping[str, Any]) -> bool:
    """Tell whether any metric of a router differs."""
    return any(gap and gap["value"] for gap in of["difference"].values())
