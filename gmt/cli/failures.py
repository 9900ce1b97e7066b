"""Run one command line, and turn whatever ends it into one line on stderr and an exit code."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import typer

from gmt.cli.stopped import how_to_go_on
from gmt.errors import LINE, UserError, one_line
from gmt.threads import settle_threads

# Typer carries its own copy of click and shows these classes only through their child.
(UsageMistake,) = typer.BadParameter.__bases__
(ClickFailure,) = UsageMistake.__bases__
REASONS = {
    errno.ENOSPC: "the disk is full; free some space and give the command again",
    errno.EDQUOT: "your share of the disk is full; free some space and give the command again",
    errno.EROFS: "the file system is read-only; name a place that can be written",
    errno.EACCES: "permission denied; change the rights or name another place",
    errno.EPERM: "permission denied; change the rights or name another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EISDIR: "it is a folder and a file is expected; name a file",
    errno.ENOTDIR: "a part of the path is a file and not a folder; name another place",
    errno.ENOENT: "it does not exist; check the path",
    errno.EEXIST: "it exists already and is of another kind; name another place",
    errno.ENOTEMPTY: "the folder is not empty; name another place",
    errno.ELOOP: "its links lead in a circle; name another place",
    errno.EMFILE: "too many files are open; raise ulimit -n",
    errno.EIO: "the disk cannot be read or written; check it",
    errno.ESTALE: "the network folder has gone away; give the command again",
    errno.EFBIG: "the file is too large for this file system; name another place",
}
"""What a failed call of the system means, and what to do."""
FULL = ("no space left on device", "disk is full", "disk quota exceeded")
NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "not enough memory", "malloc of size")


COMPLETE = "_GMT_COMPLETE"
"""Environment variable by which a shell asks what a command line could go on with."""


def run_command(command: Any, arguments: Sequence[str] | None) -> None:
    """Run a command line of a Typer command; what ends it early is raised as it is.

    Raises:
        SystemExit: Something printed its help or chose its exit code.
    """
    given = _given(arguments)
    if COMPLETE in os.environ:
        command.main(given, prog_name="gmt")
    try:
        with command.make_context("gmt", given) as context:
            command.invoke(context)
    except typer.Exit as stop:
        raise SystemExit(stop.exit_code) from None


def _given(arguments: Sequence[str] | None) -> list[str]:
    """Return the words of the command line."""
    return list(sys.argv[1:] if arguments is None else arguments)


def guarded(command: Any, arguments: Sequence[str] | None) -> None:
    """Run a command line; a mistake, a full disk or a missing right is one line on stderr and exit code 2.

    Raises:
        SystemExit: With 2 for what a user can repair, 130 where the user stopped it, 0 where nobody reads on.
    """
    try:
        _bear_any_text()
        settle_threads(os.environ)
        run_command(command, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()
        sys.exit(0)
    except (KeyboardInterrupt, typer.Abort) as stop:
        _end(str(stop) or how_to_go_on(_given(arguments)), 130)
    except Exception as error:
        message = message_of(error)
        if message is None:
            raise
        _end(message, 2)


def message_of(error: Exception) -> str | None:
    """Say in a user's words what ended a command; None where it is a fault of ours, whose traceback is wanted."""
    text = str(error)
    if isinstance(error, ClickFailure):
        return _usage(error)
    if isinstance(error, UserError):
        return text
    # Libraries wrap what the system told them in errors of their own.
    if isinstance(error, MemoryError) or any(words in text.lower() for words in NO_MEMORY):
        return "the memory is not enough for this; take less data or smaller settings, e.g. episode.users"
    if any(words in text.lower() for words in FULL):
        return f"cannot write {_place(error)}: {REASONS[errno.ENOSPC]}"
    if number := re.search(r"\(os error (\d+)\)", text):  # as Rust's libraries say it
        return f"cannot use {_place(error)}: {REASONS.get(int(number[1]), one_line(text, 150))}"
    if isinstance(error, TimeoutError):
        return f"waited too long for {_place(error)}; another command may hold it, give this one again later"
    if isinstance(error, OSError) and error.errno is None:  # Arrow says so of what it cannot unpack
        return f"a file is damaged or cannot be read ({one_line(text, 150)}); restore it or make it again"
    if isinstance(error, OSError):
        reason = REASONS.get(error.errno or 0) or f"{error.strerror or text or type(error).__name__}; check the path"
        return f"cannot use {_place(error)}: {reason}"
    if isinstance(error, EOFError):
        return f"a file ends too early ({text or 'nothing follows'}); restore it or make it again"
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"a text holds half a character, {error.object[error.start : error.end]!r}, which no file takes; mend it"
    if isinstance(error, ValueError) and "has an empty name" in text:
        return f"{text.partition(' has an empty')[0]} names no file or folder of its own; name one"
    if isinstance(error, ValueError) and "embedded null" in text:
        return "a path holds a null character, which no file system takes; name another place"
    return None


def _usage(error: Any) -> str:
    """Say what the parser found, and where help stands; a command without arguments prints its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.exit(error.exit_code)  # the help is printed already
    path = getattr(error.ctx, "command_path", "gmt") if getattr(error, "ctx", None) else "gmt"
    help_at = f"; see {path} --help"
    return one_line(str(error.format_message()).rstrip("."), LINE - len("gmt: ") - len(help_at)) + help_at


def _place(error: Exception) -> str:
    """Return the path an error names."""
    name = getattr(error, "filename2", None) or getattr(error, "filename", None) or getattr(error, "lock_file", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else "a file"


def _end(message: str, code: int) -> None:
    """Print the one line and end."""
    try:
        sys.stderr.write(f"gmt: {one_line(message, LINE - len('gmt: '))}\n")
        sys.stderr.flush()
    except OSError:
        _hush()
    sys.exit(code)


def _bear_any_text() -> None:
    """Let a terminal that cannot show a character show its escape, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _hush() -> None:
    """Keep Python from complaining, while it ends, that nobody reads what is left to print."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return
