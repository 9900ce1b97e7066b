"""Offer the command that draws figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet
from gmt.errors import UserError

figure_commands = typer.Typer()
COLUMNS = {"one": ("one",), "two": ("two",), "both": ("two", "one")}


@figure_commands.command(epilog="Example: `gmt figures runs/demo --out figures`")
def figures(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders, or results files of `gmt eval`.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for PNG and PDF.")] = Path("figures"),
    stored: Annotated[
        Path | None,
        typer.Option("--from", help="Draw from figures' own results files in this folder, without any run."),
    ] = None,
    numbering: Annotated[
        str, typer.Option(help="With --from: our own names, or those of the papers' tables and figures: own or papers.")
    ] = "own",
    columns: Annotated[str, typer.Option(help="Columns of a page that a figure fills: one, two or both.")] = "two",
    save: Annotated[
        Path | None, typer.Option(help="Folder for the small results file of every figure, which --from reads.")
    ] = None,
    join: Annotated[
        str | None, typer.Option(help="Take the results for splits of one experiment of this name; draw them together.")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: results of another design on the same splits, such as paper=runs/paper."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="The .truth.json of simulated people, which tells quality and cost apart.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw results, gains of new people, calibration, people, decisions, training and a user's graph."""
    from gmt.report.figures import make_figures, redraw

    terminal = Terminal(quiet, as_json)
    if columns not in COLUMNS:
        raise UserError(f"--columns is {columns!r}; expected one of {', '.join(COLUMNS)}")
    if numbering not in ("own", "papers") or (numbering == "papers" and stored is None):
        raise UserError(f"--numbering is {numbering!r}; expected own, or papers together with --from")
    if bool(runs) == (stored is not None):
        raise typer.BadParameter("Name runs to draw, or a folder of figures' results files with --from, and not both.")
    if stored is not None and any(one is not None for one in (save, join, beside, truth)):
        raise UserError("--save, --join, --beside and --truth are about runs; --from has everything in its files")
    if stored is not None:
        drawn = redraw(stored, out, COLUMNS[columns], numbering == "papers")
    else:
        drawn = make_figures(runs or [], out, COLUMNS[columns], save, join, _designs(beside or []), truth)
    terminal.result({"figures": [str(path) for path in drawn.paths], "notes": list(drawn.notes)})
    for path in drawn.paths:
        terminal.text(str(path))
    for note in drawn.notes:
        terminal.note(note)


def _designs(given: list[str]) -> dict[str, list[Path]]:
    """Read --beside."""
    found: dict[str, list[Path]] = {}
    for one in given:
        name, sign, path = one.partition("=")
        if not (name and sign and path):
            raise UserError(f"--beside is {one!r}; expected NAME=PATH, such as paper=runs/paper")
        found.setdefault(name, []).append(Path(path))
    return found
