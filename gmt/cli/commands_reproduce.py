"""Offer `gmt reproduce`: both papers' tables and the published yardsticks, beside what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.failures import Stopped, run_command
from gmt.cli.options import LAST_SEED, Json, Quiet, split_numbers
from gmt.errors import UserError

if TYPE_CHECKING:
    from gmt.reproduce.part_map import MapRow
    from gmt.reproduce.part_steps import Plan

reproduce_commands = typer.Typer()
WIDE = 150
"""Columns that a line of the map needs; where there are fewer, blocks of short lines are shown."""


@reproduce_commands.command(
    epilog="Example: `gmt reproduce --list`, then `gmt reproduce main-mtbench new-users`, or "
    "`gmt reproduce personal-reward-bench prism_personalized_0125 --encoder minilm`"
)
def reproduce(
    context: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Parts or groups of parts, as --list names them; all by default.", metavar="TABLE"),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the map from the papers' tables to our numbers, and run nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps what is finished.", show_default="runs/reproduce; data/NAME of a yardstick"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: shows that it runs; no number is a result.")] = (
        False
    ),
    seeds: Annotated[str | None, typer.Option(help="In place of the parts' own, e.g. 0,1.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of public data.", envvar="GMT_REAL_DATA", show_envvar=True)
    ] = None,
    input_: Annotated[
        str | None, typer.Option("--input", help="The published set of a yardstick: file, folder or hub:ID.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="Of a yardstick that is given its set: any that gmt prep takes.")] = (
        "minilm"
    ),
    seed: Annotated[int, typer.Option(help="Of such a yardstick.", min=0, max=LAST_SEED)] = 0,
    judge: Annotated[
        str,
        typer.Option(
            help="Who plays the people of the judge-* parts: MODEL@URL of an OpenAI-compatible service, or local:PATH "
            "of a transformers model. The stand-in goes by rules and is named so beside its numbers."
        ),
    ] = "stand-in",
    parts: Annotated[Path | None, typer.Option(help="Folder of further parts, NAME.yaml.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run both papers' experiments, resume them, and set our numbers beside theirs."""
    from gmt.reproduce.part import chosen_parts
    from gmt.reproduce.part_files import read_parts
    from gmt.reproduce.part_steps import Plan

    terminal, names, known = Terminal(quiet, as_json), tables or [], read_parts(parts)
    # A yardstick and its set, as the command took them before there were parts.
    if len(names) == 2 and names[0] in known and known[names[0]].needs.input and names[1] not in known:
        _yardstick(terminal, names[0], names[1], out, encoder, seed)
        return
    chosen = chosen_parts(known, names)
    wanted = split_numbers(seeds, "--seeds")
    if wanted is not None and (min(wanted) < 0 or len(set(wanted)) < len(wanted)):
        raise UserError(f"--seeds is {seeds!r}; expected different numbers from 0, e.g. 0,1,2")
    if input_ is not None and not any(part.needs.input for part in chosen):
        raise UserError("--input is for yardsticks, and none was chosen; name one, e.g. gmt reproduce mrm --input FILE")
    plan = Plan(out or Path("runs/reproduce"), quick, tuple(wanted) if wanted else None, data, input_, judge)
    if list_:
        rows = _rows(chosen, plan)
        terminal.result({"rows": [vars(row) for row in rows]})
        _show_map(terminal, rows, bool(names) or terminal.out.width < WIDE)
        return
    _run(terminal, context, chosen, plan, list(known.values()))


def _rows(chosen: list, plan: Plan, outcomes: list | None = None) -> list[MapRow]:
    from gmt.reproduce.part_map import map_rows

    return map_rows(chosen, plan, outcomes or ())


def _run(terminal: Terminal, context: typer.Context, chosen: list, plan: Plan, known: list) -> None:
    """Run the chosen parts, write the map of all known ones, and say what became of each."""
    from gmt.reproduce.map_layout import map_text, write_map
    from gmt.reproduce.run_parts import run_parts

    whole = context.find_root().command
    if not plan.quick:
        terminal.note(f"{len(chosen)} parts at full size in {plan.out}; finished steps are kept if you stop this.")
    try:
        outcomes = run_parts(chosen, plan, lambda words: run_command(whole, words), terminal.note)
    except KeyboardInterrupt:
        raise Stopped("stopped. Give the same command again: finished steps are kept") from None
    rows = _rows(chosen, plan, outcomes)
    # All that stands in the folder, not only what was asked for now.
    paths = write_map(_rows(known, plan, outcomes), plan)
    terminal.result(
        {
            "quick": plan.quick,
            "parts": [
                {"part": one.part.name, "status": one.status, "reason": one.reason, "seconds": round(one.seconds, 1)}
                for one in outcomes
            ],
            "rows": [vars(row) for row in rows],
            "files": [str(path) for path in paths],
        }
    )
    if plan.quick:
        terminal.text("Quick sizes: this shows that every part runs; none of these numbers is a result.\n")
    terminal.text(map_text(rows))
    counts = {name: sum(one.status == name for one in outcomes) for name in STATUSES}
    said = ", ".join(f"{count} {STATUSES[name]}" for name, count in counts.items() if count)
    seconds = sum(one.seconds for one in outcomes)
    terminal.text(f"\n{len(outcomes)} parts: {said}; {seconds:.0f} s. Table: {paths[0]}")
    if counts["failed"]:
        raise typer.Exit(1)


STATUSES = {
    "done": "run",
    "kept": "finished before",
    "failed": "failed",
    "missing": "without their data",
    "impossible": "that nobody outside can run",
}


def _show_map(terminal: Terminal, rows: list[MapRow], detailed: bool) -> None:
    """Print the map; of chosen parts with all that is published beside each number."""
    from gmt.reproduce.map_layout import map_lines, map_text

    terminal.text(map_text(rows) if detailed else map_lines(rows))
    numbers = sum(row.ours != "–" for row in rows)
    terminal.text(
        f"\n{len(rows)} rows: {numbers} with a number, {len(rows) - numbers} with the reason why there is none."
    )


def _yardstick(terminal: Terminal, name: str, input: str, out: Path | None, encoder: str, seed: int) -> None:
    """Run a published protocol of personal preference and print its rows beside the published ones."""
    from gmt.studies.yardsticks import reproduce as run_yardstick

    found = run_yardstick(name, input, out or Path("data") / name, encoder, seed)
    terminal.result(found)
    terminal.text(f"{found['protocol']}; vectors of {found['encoder']}")
    rows = [
        {**row, "paper": f"measured here, {row['people']} people, {row['pairs']} pairs"} for row in found["measured"]
    ]
    cells = [
        [row["method"], row["column"], f"{row['accuracy']:.2f}", row["paper"]] for row in rows + found["published"]
    ]
    terminal.table("", ["method", "people or set", "accuracy", "where"], cells)
    for note in found["notes"]:
        terminal.note(note)
