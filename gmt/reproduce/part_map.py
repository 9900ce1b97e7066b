"""Make the map from a paper's table to our number: what was measured, what is recorded, and why nothing is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmt.reproduce.comparison import against_paper, shown
from gmt.reproduce.part import ComparedNumber, Part
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
