"""Offer the commands that check run folders and bring old ones to the present form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.completion import complete_run
from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet

runs_app = typer.Typer(name="runs", help="Check a run's files, or bring an old run up to date.", no_args_is_help=True)


@runs_app.command("verify", epilog="Example: `gmt runs verify runs/demo`")
def runs_verify(
    run: Annotated[Path, typer.Argument(help="Run folder.", autocompletion=complete_run)],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that every file of a run is what training wrote; the first that is not is named."""
    from gmt.artefacts import recover
    from gmt.manifest import verify
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    recover(run)
    manifest = verify(RunFolder(run).require().root)
    size = sum(mark.bytes for mark in manifest.files.values())
    terminal.result({"run": str(run), "name": manifest.run, "files": len(manifest.files), "bytes": size})
    terminal.text(f"{run}: all {len(manifest.files)} files ({size:,} bytes) are what training wrote")


@runs_app.command("upgrade", epilog="Example: `gmt runs upgrade runs/*`")
def runs_upgrade(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", autocompletion=complete_run)],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring runs of earlier versions to the present form; their scores stay what they were."""
    from gmt.runs import RunFolder
    from gmt.training.upgrade_run import upgrade_run

    terminal = Terminal(quiet, as_json)
    done = {}
    for run in runs:
        done[str(run)] = upgrade_run(RunFolder(run))
        terminal.text(f"{run}: {'upgraded' if done[str(run)] else 'is in the present form already'}")
    terminal.result({"upgraded": done})
