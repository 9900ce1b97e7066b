"""Offer the commands that compare with others' numbers: reproduce, export routerarena."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, AllowDownload, Json, Quiet, Run, Seed, State

yardstick_commands = typer.Typer()
export_app = typer.Typer(name="export", help="Write what other programs evaluate.", no_args_is_help=True)


@yardstick_commands.command(
    epilog="Example: `gmt reproduce personal-reward-bench prism_personalized_0125 --encoder minilm`"
)
def reproduce(
    yardstick: Annotated[str, typer.Argument(help="personal-reward-bench, mrm or p-check.")],
    input: Annotated[str, typer.Argument(help="The published set: file, folder or hub:OWNER/NAME.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the prepared data; data/YARDSTICK by default.")] = None,
    encoder: Annotated[str, typer.Option(help="Any encoder that gmt prep takes.")] = "minilm",
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a published protocol of personal preference and print its rows beside the published ones."""
    from gmt.studies.yardsticks import reproduce as run_yardstick

    terminal = Terminal(quiet, as_json)
    found = run_yardstick(yardstick, input, out or Path("data") / yardstick, encoder, seed)
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
