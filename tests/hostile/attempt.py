"""Run one hostile case through the command line in this process, and say whether it ended as promised."""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gmt.cli.main import main
from gmt.errors import LINE

SECONDS = 60
MEGABYTES = 4096


@dataclass(frozen=True)
class Case:
    """Hold one case.

    Args:
        name: Says what is tried; begins with its family.
        make: Prepares files in an empty folder and returns the words of a command line.
        baseline: What `--json` prints on untouched files, where a case that succeeds must print the same.
    """

    name: str
    make: Callable[[Path], list[str]]
    baseline: str | None = None


class TooLong(BaseException):
    """Report a command that does not end."""


def failure_of(case: Case, home: Path) -> str | None:
    """Run a case in a folder of its own; return what it did wrong, None where it kept every promise.

    The case's files are in `home/in`, where the command is also started; nothing may appear beside that folder.
    """
    inside, before = home / "in", os.getcwd()
    inside.mkdir(parents=True)
    words = case.make(inside)
    os.chdir(inside)
    try:
        code, out, err = run_words(words)
    finally:
        os.chdir(before)
    if names := sorted(path.name for path in home.iterdir() if path != inside):
        return f"wrote outside its folder: {names}"
    return _judged(words, code, out, err, case.baseline)


def _judged(words: list[str], code: int, out: str, err: str, baseline: str | None) -> str | None:
    """Say which promise is broken."""
    if code not in (0, 2):
        return f"exit {code}: {err[-600:]}"
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 > MEGABYTES:
        return "more than 4 GB"
    if control := [sign for sign in out + err if sign < " " and sign not in "\n\t"]:
        return f"control characters reach the terminal: {control[:3]}"
    if code == 2:
        told = [line for line in err.splitlines() if line.startswith("gmt: ")]
        # Rows that cannot be read are named before, at most twenty of them.
        if len(told) != 1 or not err.endswith(told[0] + "\n") or len(err.splitlines()) > 22:
            return f"not one line: {err[:600]}"
        if longest := max((line for line in err.splitlines()), key=len, default=""):
            return f"{len(longest)} characters: {longest}" if len(longest) > LINE else None
    if "--json" in words and code == 0 and not _is_json(out):
        return f"not JSON: {out[:300]}"
    if baseline is not None and code == 0 and out != baseline:
        return f"silently another answer: {out[:200]}"
    return None


def _is_json(text: str) -> bool:
    """Tell whether a text is JSON, which knows neither NaN nor Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def run_words(words: list[str]) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr; a traceback is exit code 1, as Python's own."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    code = 0
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            try:
                main(words)
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
            except TooLong:
                code = 1
                sys.stderr.write(f"no end after {SECONDS} s")
            except BaseException as error:  # what Python would print a traceback of
                code = 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                ours = [
                    at
                    for at in traceback.extract_tb(error.__traceback__)
                    if "/gmt/" in at.filename or "data_prep" in at.filename
                ]
                where = f"{Path((ours or [last])[-1].filename).name}:{(ours or [last])[-1].lineno}"
                sys.stderr.write(
                    f"{type(error).__name__} at {where}: {error}"[:500].encode("utf-8", "backslashreplace").decode()
                )
    finally:
        signal.alarm(0)
    out, err = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in streams)  # pyright: ignore[reportAttributeAccessIssue]
    return code, out, err


def _too_long(*_: object) -> None:
    raise TooLong
