"""Make a data folder and say what it holds, and what its rows could not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gmt.cli.console import Terminal
from gmt.errors import one_line


def prepare_and_say(terminal: Terminal, options: Any) -> None:
    """Convert, naming the first rows that cannot be read as they come."""
    from data_prep.prepare import prepare

    def show_rejected(rows: Any) -> None:
        for row in rows[:20]:
            terminal.warn(one_line(str(row)))

    with terminal.bar("encoding texts", None) as advance:
        card = prepare(options, lambda total: advance.over(total), show_rejected)
    terminal.result({"out": str(options.out), **card})
    if not terminal.as_json:
        _print_card(terminal, options.out, card)
    terminal.ended(f"written to {options.out}", f"gmt train {options.out}")


def _print_card(terminal: Terminal, out: Path, card: dict[str, Any]) -> None:
    """Say what the folder holds."""
    from data_prep.card import ENOUGH

    for note in card.get("notes", []):
        terminal.warn(f"Note: {note}.")
    counts = card["counts"]
    terminal.text(
        f"{out}: {counts['comparisons']:,} comparisons ({counts['rated']:,} rated) of {counts['users']:,} users and "
        f"{counts['models']:,} models, {card['tie_rate']:.0%} ties; {card['protocol']} split, "
        f"encoder {card['encoder']['id']}"
    )
    terminal.text(
        f"{counts['pairs']:,} pairs of different ratings, {counts['ties']:,} equal ones, {counts['lone_ratings']:,} "
        f"ratings that stand alone{_unrated(counts)}; {counts['users_with_enough']:,} of {counts['users']:,} users "
        f"have {ENOUGH} or more rated rounds"
    )
    if not any(counts.get(form) for form in ("pairs", "ties", "lone_ratings", "remarks", "signals")):
        terminal.warn("Note: nothing here can be learned from; gmt train will refuse this folder.")
    elif not counts["pairs"]:
        terminal.warn(
            "Note: no two answers were compared, so nothing here says which of two is preferred; rows that were judged "
            "together must name their comparison, or their user and query alike."
        )
    if card.get("bad_rows"):
        terminal.text(f"{card['bad_rows']:,} bad rows dropped, listed in {out / 'rejected.csv'}", whole=True)


def _unrated(counts: dict[str, int]) -> str:
    """Count what was said of answers without a rating, where there is any of it."""
    said = [(counts.get(form, 0), form) for form in ("remarks", "signals")]
    return "".join(f", {count:,} {form} on answers without a rating" for count, form in said if count)
