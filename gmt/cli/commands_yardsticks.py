"""Offer what others' programs evaluate: export routerarena."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, AllowDownload, Json, Quiet, Run, State

export_app = typer.Typer(name="export", help="Write what other programs evaluate.", no_args_is_help=True)


@export_app.command(epilog="Example: `gmt export routerarena RouterArena/dataset --run runs/mine --out predictions`")
def routerarena(
    dataset: Annotated[Path, typer.Argument(help="RouterArena's dataset folder, with router_data.json.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.json and NAME-robustness.json.")],
    run: Run = DEMO_RUN,
    state: State = None,
    name: Annotated[str, typer.Option(help="Name of the router there.")] = "gmt",
    part: Annotated[str, typer.Option(help="full or sub_10.")] = "full",
    allow_download: AllowDownload = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write RouterArena's prediction files: what a run picks for nobody in particular."""
    from gmt.serving.pretrained import Router
    from gmt.serving.routerarena import export_routerarena

    terminal = Terminal(quiet, as_json)
    found = export_routerarena(Router.from_pretrained(run, state, allow_download), dataset, out, name, part)
    files = [path for path in (found.predictions, found.robustness) if path is not None]
    terminal.result({"prompts": found.prompts, "files": [str(path) for path in files]})
    for path in files:
        terminal.text(str(path))
    if found.robustness is None:
        terminal.note(f"{dataset} holds no router_robustness.json, so no robustness file was written.")
