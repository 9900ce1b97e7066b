"""Lay out the map from a paper's table to our number: what was measured, what is recorded, and why nothing is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gmt.files import write_json, write_text
from gmt.reproduce.comparison import against_paper, shown
from gmt.reproduce.part import PAPERS, ComparedNumber, Part
from gmt.reproduce.part_inputs import missing_data
from gmt.reproduce.part_steps import Plan
from gmt.reproduce.run_parts import PartOutcome, finished_result, read_recorded

RECORDED = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True)
class MapRow:
    """Hold one number of the map, or the reason why there is none.

    Args:
        part, number: Names.
        paper, place: Which paper, and where in it.
        command: What measures it.
        published: What the paper says.
        code: What its released code does, where known.
        rival: The strongest rival and its number.
        ours: Our number.
        ahead: Ours less the strongest rival's.
        against: Ours less the paper's, or how it lies to the range stated.
        status: `measured`, `quick`, `recorded`, `not measured` or `cannot be run`, with date and seeds.
        reason: Why there is no number, or what has to be known of it.
        values: The numbers themselves.
    """

    part: str
    number: str
    paper: str
    place: str
    command: str
    published: str
    code: str
    rival: str
    ours: str
    ahead: str
    against: str
    status: str
    reason: str
    values: Mapping[str, Any]


def map_rows(parts: Iterable[Part], plan: Plan, outcomes: Sequence[PartOutcome] = ()) -> list[MapRow]:
    """Return a row for every number of the parts.

    Of a full number: what stands in the out folder, else what is recorded. A quick one is shown of a quick run only.

    Args:
        parts: The parts.
        plan: Where finished parts lie.
        outcomes: What became of parts just now; their reasons are shown.
    """
    recorded = read_recorded(RECORDED)
    now = {outcome.part.name: outcome for outcome in outcomes}
    return [row for part in parts for row in _rows_of(part, plan, recorded.get(part.name, {}), now.get(part.name))]


def _rows_of(part: Part, plan: Plan, recorded: Mapping[str, Any], outcome: PartOutcome | None) -> list[MapRow]:
    if part.impossible is not None:
        return [_row(part, ComparedNumber("–", "", ""), None, "cannot be run", part.impossible)]
    result = finished_result(part, plan)
    failed = outcome.reason if outcome is not None and outcome.status in ("failed", "missing") else ""
    rows = []
    for number in part.numbers:
        if plan.quick and not number.quick:
            continue
        found = (result or {}).get("numbers", {}).get(number.name)
        if result is not None and found is not None and not failed:
            status = f"{'quick, not a result' if plan.quick else 'measured'} {result['date']}, {_seeds(result)}"
            rows.append(_row(part, number, found, status, part.note))
        # Small sizes say nothing of the full number, so nothing recorded stands beside a quick run.
        elif (kept := recorded.get(number.name)) is not None and not plan.quick:
            status = f"recorded {kept['date']}, {_seeds(kept)}"
            rows.append(_row(part, number, kept, status, failed or part.note))
        else:
            reason = (
                failed or number.reason or missing_data(part, plan, ask_hub=False) or f"not run yet: {part.command}"
            )
            rows.append(_row(part, number, None, "not measured", reason))
    return rows


def _row(part: Part, number: ComparedNumber, found: Mapping[str, Any] | None, status: str, reason: str) -> MapRow:
    rival = (found or {}).get("rival")
    # Who played the people is a part of the number: a stand-in's is never shown without its name.
    status += f", by {found['named']}" if found and "named" in found else ""
    return MapRow(
        part.name,
        number.name,
        part.paper,
        part.place,
        part.command if part.steps else f"{part.name}: nothing to run",
        number.paper.says if number.paper else "–",
        number.code.says if number.code else "–",
        f"{rival['name']} {shown(rival, number.unit)}" if rival else "–",
        shown(found["ours"], number.unit) if found else "–",
        shown((found or {}).get("gap"), number.unit, "+"),
        against_paper(number, found) if found else "–",
        status,
        reason,
        dict(found or {}),
    )


def _seeds(found: Mapping[str, Any]) -> str:
    """Name the seeds of a result: 0–4 where they are without a gap."""
    seeds = sorted(found.get("seeds") or [])
    if not seeds:
        return found.get("sample", "no seed")
    run = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"seed{'s' * (len(seeds) > 1)} " + (f"{seeds[0]}–{seeds[-1]}" if run else ", ".join(map(str, seeds)))


def map_lines(rows: Sequence[MapRow]) -> str:
    """Lay rows out as the map: a line for a part with its command, and one below for each of its numbers."""
    columns = [(row.number, row.ours, f"{row.ahead} than {row.rival}" if row.rival != "–" else "") for row in rows]
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
