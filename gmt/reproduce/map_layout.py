"""Lay the map out for a terminal and for files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gmt.files import write_json, write_text
from gmt.reproduce.part import PAPERS
from gmt.reproduce.part_map import MapRow
from gmt.reproduce.part_steps import Plan


def map_lines(rows: Sequence[MapRow]) -> str:
    """Lay rows out as the map: a line for a part with its command, and one below for each of its numbers."""
    columns = [(row.number, row.ours, f"{row.ahead} vs {row.rival}" if row.rival != "–" else "") for row in rows]
    wide = [max(map(len, column)) for column in zip(*columns, strict=True)] if rows else []
    lines, part = [], None
    for row, cells in zip(rows, columns, strict=True):
        if row.part != part:
            lines += [*([""] if lines else []), f"{row.paper}, {row.place}", f"  {row.command}"]
            part = row.part
        lines.append(
            "    " + "  ".join([*(cell.ljust(width) for cell, width in zip(cells, wide, strict=True)), row.status])
        )
        if row.ours == "–" and (line := f"      {row.reason}") not in lines[-3:]:
            lines.append(line)  # once where the numbers of a part lack for one reason
    return "\n".join(lines)


def map_text(rows: Sequence[MapRow]) -> str:
    """Lay rows out as blocks of short lines, with all that is published beside each number."""
    lines, part, start = [], None, 0
    for row in rows:
        if row.part != part:
            lines += [*([""] if lines else []), f"{row.part} — {row.paper}, {row.place}"]
            part, start = row.part, len(lines)
        lines.append(f"  {row.number}: {row.ours}   {row.status}")
        pairs = [("paper", row.published), ("released code", row.code), ("strongest rival", row.rival)]
        pairs += [("ours less the rival", row.ahead), ("ours against the paper", row.against)]
        lines += [f"    {name}: {text}" for name, text in pairs if text != "–"]
        # A note belongs to the part: once is enough.
        if row.reason and (line := f"    {row.reason}") not in lines[start:]:
            lines.append(line)
    return "\n".join(lines)


def map_markdown(rows: Sequence[MapRow], quick: bool) -> str:
    """Lay rows out as a Markdown table."""
    heads = (
        *("part", "paper", "place", "number", "published", "released code", "strongest rival"),
        *("ours", "less the rival", "against the paper", "status"),
    )
    lines = ["# Both papers, reproduced", ""]
    if quick:
        lines += ["**Quick sizes: this shows that every part runs; none of its numbers is a result.**", ""]
    lines += [f"- {name}: {title}" for name, title in PAPERS.items()]
    lines += ["", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.part, row.paper, row.place, row.number, row.published, row.code, row.rival, row.ours]
        cells += [row.ahead, row.against, row.status + (f": {row.reason}" if row.ours == "–" else "")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write_map(rows: Sequence[MapRow], plan: Plan) -> list[Path]:
    """Write the map as Markdown and as JSON into the out folder; return both paths."""
    stem = "reproduce-quick" if plan.quick else "reproduce"
    paths = [plan.out / f"{stem}.md", plan.out / f"{stem}.json"]
    write_text(paths[0], map_markdown(rows, plan.quick))
    write_json(paths[1], {"quick": plan.quick, "rows": [asdict(row) for row in rows]})
    return paths
