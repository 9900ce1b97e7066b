"""Offer the commands that put runs before a reader: report and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet, Seed, finite

compare_commands = typer.Typer()


@compare_commands.command(epilog="Example: `gmt report runs/demo --out report.html`")
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    users: Annotated[int, typer.Option(help="Users of each run to show.", min=0, max=10_000)] = 12,
    user: Annotated[list[str] | None, typer.Option(help="A user to show first; repeatable.")] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Leave out what users and models wrote.")] = False,
    no_names: Annotated[bool, typer.Option("--no-names", help="Number users instead of naming them.")] = False,
    megabytes: Annotated[
        float, typer.Option(help="Size that users are left out for.", min=1, max=1000, callback=finite)
    ] = 8.0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page that needs no network: verdict, data, results, figures, users with reasons, and the receipt.

    Texts are shown only where the run keeps them. Give the page to nobody who may not read them, or leave them out
    with --no-texts and --no-names.
    """
    from gmt.report.report_page import PageOptions, write_report

    terminal = Terminal(quiet, as_json)
    options = PageOptions(users, tuple(user or ()), not no_texts, not no_names, megabytes)
    words = ["gmt", "report", *map(str, runs), "--out", str(out), "--users", str(users)]
    words += [part for name in user or () for part in ("--user", name)]
    words += ["--no-texts"] * no_texts + ["--no-names"] * no_names + ["--megabytes", f"{megabytes:g}"]
    with terminal.bar("reading", None, count=False) as advance:
        found = write_report(runs, out, options, words, progress=lambda what: advance(1, what))
    terminal.result(found)
    shown = ", ".join(f"{one['shown']:,} of {one['all']:,} users of {run}" for run, one in found["users"].items())
    terminal.text(f"{out}: {shown}; {found['bytes'] / 1e6:.1f} MB, opens in any browser without a network")


@compare_commands.command(epilog="Example: `gmt compare runs/demo runs/demo-traits`")
def compare(
    first: Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")],
    second: Annotated[Path, typer.Argument(help="Run folder to compare with it.", metavar="RUN")],
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show in which settings, data and numbers two runs differ, with paired intervals over users on the same targets.

    Numbers are those that gmt eval measured. Where the two asked different targets, this is said, and only those that
    both asked are compared.
    """
    from gmt.cli.comparison_text import print_comparison
    from gmt.report.compare_runs import compare_runs
    from gmt.report.run_facts import RunFacts

    terminal = Terminal(quiet, as_json)
    found = compare_runs(RunFacts.read(first), RunFacts.read(second), seed)
    terminal.result(found)
    if not as_json:
        print_comparison(terminal, found)
