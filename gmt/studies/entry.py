"""Run a study from the command line: the options that studies share, and a user's mistake as one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from gmt.errors import UserError


def study_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the first line of a study's description, and its folder `--out`."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    return parser


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Let a study take data folders and seeds of planted users."""
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--planted", type=int, nargs="*", default=[])


def run_study(main: Callable[[], object]) -> None:
    """Call a study; a mistake of its user ends it with one line and exit code 2."""
    try:
        main()
    # No other error: a fault of ours should end in a traceback that can be reported.
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
