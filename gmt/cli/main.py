"""Assemble the commands into `gmt`."""

from __future__ import annotations

from typing import Annotated

import typer

from gmt import __version__
from gmt.cli.commands_compare import compare_commands
from gmt.cli.commands_data import data_commands
from gmt.cli.commands_figures import figure_commands
from gmt.cli.commands_gateway import gateway_commands
from gmt.cli.commands_learn import learn_commands
from gmt.cli.commands_report import report_commands
from gmt.cli.commands_reproduce import reproduce_commands
from gmt.cli.commands_runs import runs_app
from gmt.cli.commands_serve import serve_commands
from gmt.cli.commands_simulate import simulate
from gmt.cli.commands_yardsticks import export_app
from gmt.cli.failures import guarded

app = typer.Typer(
    name="gmt",
    help="Personalised LLM routing: learn from people's conversations which model each will prefer.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for commands in (
    data_commands,
    simulate,
    learn_commands,
    serve_commands,
    gateway_commands,
    figure_commands,
    report_commands,
    compare_commands,
    reproduce_commands,
):
    app.add_typer(commands)
app.add_typer(runs_app)
app.add_typer(export_app)


def _version(wanted: bool) -> None:
    """Print the versions that decide what a run computes, and on what it computes, and end."""
    if not wanted:
        return
    import platform

    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    typer.echo(f"gmt {__version__}, Python {platform.python_version()}, torch {torch.__version__}, device {device}")
    raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the versions that matter.")
    ] = False,
) -> None:
    """Personalised LLM routing: learn from people's conversations which model each will prefer."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2.

    Raises:
        SystemExit: Always; the code is 0 where all went well.
    """
    guarded(typer.main.get_command(app), arguments)
    raise SystemExit(0)
