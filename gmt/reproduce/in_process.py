"""Run a command line of gmt or of a study inside this process, with all that it says in a file."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gmt.errors import UserError, one_line

Command = Callable[[list[str]], None]
"""Runs the words after `gmt`; whatever ends them early is raised."""


class StepFailed(Exception):
    """Report that a step ended early; the message is one line, and the file holds the rest."""


def run_line(words: Sequence[str], log: Path, command: Command, data: Path | None) -> None:
    """Run one command line.

    A process of its own would take seconds to load what all steps need, some eighty times.

    Args:
        words: `gmt` or `python -m …`, and what follows.
        log: File to which everything printed goes.
        command: Runs a line of gmt.
        data: Folder of public data, in the environment while the line runs.

    Raises:
        StepFailed: It ended early, for whatever reason.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(words)}\n")
        file.flush()
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file), _real_data(data):
            try:
                if words[0] == "gmt":
                    command(list(words[1:]))
                else:
                    importlib.import_module(words[2]).main(list(words[3:]))
            except SystemExit as stop:
                if stop.code not in (0, None):
                    raise StepFailed(f"it ended with {stop.code}; see {log}") from None
            except UserError as error:
                raise StepFailed(one_line(str(error))) from None
            # Whatever a step raises, the other parts go on; the file keeps what a fault of ours looked like.
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                raise StepFailed(f"{type(error).__name__}: {one_line(str(error), 160)}; see {log}") from error


@contextlib.contextmanager
def _real_data(folder: Path | None) -> Iterator[None]:
    """Set the folder of public data that studies read, and put back what was there."""
    before = os.environ.get("GMT_REAL_DATA")
    if folder is not None:
        os.environ["GMT_REAL_DATA"] = str(folder)
    try:
        yield
    finally:
        if before is not None:
            os.environ["GMT_REAL_DATA"] = before
        elif folder is not None:
            os.environ.pop("GMT_REAL_DATA", None)
