"""Share what the commands have in common: options, and lists written with commas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.cli.completion import complete_run
from gmt.errors import UserError


def finite(value: float | None) -> float | None:
    """Return the value of an option, which may be missing but neither NaN nor infinite.

    Raises:
        typer.BadParameter: It is; ranges let NaN pass.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number.")
    return value


DEMO_DATA, DEMO_RUN = Path("data/demo"), Path("runs/demo")
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Run = Annotated[Path, typer.Option("--run", help="Run folder.", autocompletion=complete_run)]
State = Annotated[
    str | None,
    typer.Option(
        "--state", help="Database of what users added to the run; state.db in it by default.", envvar="GMT_STATE"
    ),
]
AllowDownload = Annotated[
    bool,
    typer.Option(
        "--allow-download",
        help="Fetch the run's encoder from the hub if it is not on this machine; do so only for runs you trust.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="JSON-lines file to write.")]
LAST_SEED = 2**32 - 1
"""The largest seed that every library takes."""
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.", min=0, max=LAST_SEED)]
GivenSeed = Annotated[int | None, typer.Option(help="Seed; the config's own by default.", min=0, max=LAST_SEED)]
DrawSeed = Annotated[
    int | None, typer.Option("--seed", help="Seed of the draw; another one each time by default.", min=0, max=LAST_SEED)
]
MOST = 10_000_000
"""People, questions and votes that a simulation makes at most; what is beyond would not fit."""
Price = Annotated[float | None, typer.Option(help="$ per million tokens.", min=0, callback=finite)]
CostWeight = Annotated[
    float,
    typer.Option(
        help="Logits of preference that the dearest answer's cost takes away; others lose their share.",
        min=0,
        callback=finite,
    ),
]


def split_names(text: str | None) -> list[str] | None:
    """Return the names of a comma-separated list, None where there is no list."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def split_numbers(text: str | None, name: str, kind: type = int) -> list[Any] | None:
    """Return the numbers of a comma-separated list, None where there is no list.

    Raises:
        UserError: A part is no number.
    """
    try:
        numbers = None if text is None else [kind(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{name} is {text!r}; expected numbers separated by commas") from None
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers or ()):
        raise UserError(f"{name} is {text!r}; expected finite numbers separated by commas")
    return numbers


def rating_ends(text: str | None) -> tuple[float, float] | None:
    """Return the worst and the best rating of --rating-scale, None where it is not given.

    Raises:
        UserError: It is something else than two numbers.
    """
    scale = split_numbers(text, "--rating-scale", float)
    if scale is not None and len(scale) != 2:
        raise UserError(f"--rating-scale is {text}; expected WORST,BEST, e.g. 1,5")
    return (scale[0], scale[1]) if scale else None
