"""Offer the commands that put runs before a reader: compare, and the page of report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet, Seed

compare_commands = typer.Typer()


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
