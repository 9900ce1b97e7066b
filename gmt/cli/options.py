"""Share what the commands have in common: options, and lists written with commas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.errors import UserError

DEMO_DATA, DEMO_RUN = Path("data/demo"), Path("runs/demo")
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Run = Annotated[Path, typer.Option("--run", help="Run folder.")]
State = Annotated[
    str | None,
    typer.Option(
        "--state", help="Database of what people told the run; state.db in it by default.", envvar="GMT_STATE"
    ),
]
Out = Annotated[Path, typer.Option("--out", help="JSON-lines file to write.")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.")]


def split_names(text: str | None) -> list[str] | None:
    """Return the names of a comma-separated list, None where there is no list."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def split_numbers(text: str | None, name: str, kind: type = int) -> list[Any] | None:
    """Return the numbers of a comma-separated list, None where there is no list.

    Raises:
        UserError: A part is no number.
    """
    try:
        return None if text is None else [kind(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{name} is {text!r}; expected numbers separated by commas") from None
