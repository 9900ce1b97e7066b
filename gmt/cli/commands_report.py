"""Offer the commands that measure this machine and run the whole job: bench, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, Json, Quiet, split_names
from gmt.errors import UserError

report_commands = typer.Typer()


@report_commands.command(epilog="Example: `gmt bench --parts encoder,step --out bench`")
def bench(
    parts: Annotated[
        str,
        typer.Option(help="encoder, step, scale, fit, route, adapt, prep, encode, serve, by commas, or all."),
    ] = "all",
    run: Annotated[Path | None, typer.Option(help="Run that `route` asks; left out where it does not exist.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for bench.md and bench.json.")] = Path("bench"),
    beside_litellm: Annotated[
        Path | None,
        typer.Option(help="LiteLLM's executable, of its own environment: `serve` times the gateway beside its proxy."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a look.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Up to a million users.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure encoder, training steps, scaling, routing, adaptation, prep, text vectors and the gateway here."""
    from gmt.bench.speed_report import FULL, QUICK, Sizes, rows_of, run_bench, write_bench

    terminal, wanted, asked = Terminal(quiet, as_json), _parts(parts), run if run is not None else DEMO_RUN
    there = (asked / "card.json").is_file()
    if run is not None and not there:
        raise UserError(f"{run} holds no card.json; train it with gmt train --run {run}")
    if beside_litellm is not None and "serve" not in wanted:
        raise UserError("--beside-litellm is for the part serve; add it to --parts")
    sizes = QUICK if quick else FULL if full else Sizes()
    with terminal.bar("measuring", len(wanted)) as advance:
        found = run_bench(wanted, sizes, asked if there else None, lambda part: advance(1, part), beside_litellm)
    if "route" in wanted and not there:
        terminal.note(f"{asked} does not exist, so routing was not measured; name a run with --run.")
    paths = write_bench(found, out)
    terminal.result(found)
    heads = ["part", "what", "measured"]
    terminal.table("", heads, [list(row) for row in rows_of(found)], texts=heads[1:])
    for path in paths:
        terminal.text(str(path), whole=True)
    terminal.ended(f"written to {out}")


def _parts(text: str) -> list[str]:
    """Read --parts."""
    from gmt.bench.speed_report import PARTS

    wanted: list[str] = [*PARTS] if text == "all" else split_names(text) or []
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        raise UserError(f"there is no part {', '.join(unknown) or 'to measure'}; expected all or of {', '.join(PARTS)}")
    return wanted


@report_commands.command(epilog="Example: `gmt demo --folder /tmp/gmt-demo`")
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where data/ and runs/ go.")] = Path(),
    quiet: Quiet = False,
) -> None:
    """Run the whole job on data the project makes itself: prep, train, eval, adapt, route, figures."""
    from gmt.cli.demo_run import print_closing, run_demo
    from gmt.cli.failures import run_command

    whole = context.find_root().command
    run_demo(folder, lambda arguments: run_command(whole, arguments), Terminal(quiet))
    print_closing(folder, Terminal(quiet))
