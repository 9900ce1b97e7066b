"""Read JSON with a word for whoever lost it, write files whole or not at all, and keep two writers apart."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gmt.errors import UserError

ALIVE = ".alive"
"""In a folder that is being made; its lock is held as long as its maker lives."""
ASIDE = "old-"
"""Stands in the name of a folder while another one takes its place."""
PART = ".part"
"""Ends the names of files and folders that are not finished; whatever bears it may be deleted."""


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name beside it, then rename it, so that no reader ever sees half of it.

    What was written lies on the disk before the rename, so that a crash leaves the old file or the new one.

    Args:
        path: The file; its folder is made where it is missing.
        write: Called with the temporary name; must write that file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = part_of(path)
    try:
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        # The system names the temporary file, or on a full disk none; its owner knows the real one.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    replace_file(path, lambda part: part.write_text(text, "utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole, indented, with a line break at its end."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path, kind: type[UserError], missing: str, damaged: str = "") -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        kind: What is raised.
        missing: What to do where there is no such file.
        damaged: What to do where it is no JSON; the same by default.

    Raises:
        UserError: Of that kind: there is no such file, or it is no JSON.
    """
    if not path.is_file():
        raise kind(f"{path} {'is no file' if path.exists() else 'does not exist'}; {missing}")
    try:
        return parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise kind(f"{path} is not JSON ({str(error)[:200]}); {damaged or missing}") from error
    except OSError as error:
        raise kind(f"{path} cannot be read ({error.strerror}); check the file and your rights") from error


def parse_json(text: str) -> Any:
    """Return the values of a JSON text in which every key of an object stands once.

    Raises:
        ValueError: It is none, nests too deep, or states a key twice, of which one would win in silence.
    """
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice; keep one")
    return found


def replace_folder(made: Path, path: Path) -> None:
    """Put a finished folder in the place of another one, which is gone only when the new one stands.

    Args:
        made: The finished folder, on the same file system as `path`.
        path: Where it belongs; what lies there is replaced whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name[:80]}.{ASIDE}{uuid.uuid4().hex[:12]}{PART}")
    if path.exists():
        os.replace(path, aside)
    try:
        os.replace(made, path)
    except OSError:
        if aside.exists():
            os.replace(aside, path)
        raise
    _sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def restore_folder(path: Path) -> None:
    """Bring back a folder that `replace_folder` had set aside when it was killed, and delete what it need not keep.

    Whoever reads such a folder calls this first. Where there is nothing to do, nothing is locked or written.
    """
    path = path.resolve()
    asides = sorted(path.parent.glob(f".{glob.escape(path.name[:80])}.{ASIDE}*{PART}"))
    if not asides:
        return
    with names_locked(path):
        for aside in asides:
            if not path.exists():
                os.replace(aside, path)
            else:
                shutil.rmtree(aside, ignore_errors=True)


def clear_dead(path: Path) -> None:
    """Delete the unfinished folders beside `path`, as `part_of` names them, whose makers do not live any more."""
    for made in parts_of(path):
        if made.is_dir() and is_dead(made):
            shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def alive(made: Path) -> Iterator[None]:
    """Hold the lock that says a folder is still being made; the system frees it when the process dies."""
    from filelock import FileLock

    with FileLock(made / ALIVE):
        yield


def is_dead(made: Path) -> bool:
    """Tell whether nobody makes a folder any more."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(made / ALIVE, timeout=0):
            return True
    except Timeout:
        return False


def part_of(path: Path) -> Path:
    """Return a name beside `path` that nobody else uses, for what is not finished yet."""
    return path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:12]}{PART}")


def parts_of(path: Path) -> list[Path]:
    """Return what lies beside `path` under a name as `part_of` gives it, finished or not."""
    name = re.compile(re.escape(f".{path.name[:80]}.") + "[0-9a-f]{12}" + re.escape(PART))
    return [made for made in path.parent.glob(f".*{PART}") if name.fullmatch(made.name)]


@contextlib.contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of a file or folder while the block runs; other processes and threads wait for it.

    Args:
        path: What is guarded; the lock itself is the file `.<name>.lock` beside it.
        timeout: Seconds to wait; a negative number waits without end.

    Raises:
        TimeoutError: Somebody else held the lock for longer.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=timeout):
        yield


@contextlib.contextmanager
def names_locked(path: Path) -> Iterator[None]:
    """Hold the lock of the folder in which `path` lies, for the moment in which names in it change; no file is left.

    It cannot be taken twice by one thread. Where the system locks no folders, nobody waits.
    """
    if os.name == "nt":
        with locked(path):
            yield
        return
    import fcntl

    handle = os.open(path.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # network file systems may know no such locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    """Ask the system to bring a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
