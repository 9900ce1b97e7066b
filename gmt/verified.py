"""Remember which files of a run were hashed and found whole, so that only what was written since is hashed again."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gmt.files import write_text
from gmt.manifest import Manifest, read_manifest, verify

RECORD = ".verified.json"
SETTLED = 2.0
"""Seconds after which a file system tells two writes apart by their times."""


def verify_changed(folder: Path) -> Manifest:
    """Verify a run as `verify` does, and hash its files only where one was written since they were last hashed.

    What counts as written is another size, inode, time of change or time of the inode's change; the last is set by the
    system and by nobody else. A disk that changes bytes by itself is seen by `gmt runs verify`, which always hashes.

    Args:
        folder: The run. Where it cannot be written, nothing is remembered and all is hashed every time.

    Raises:
        RunError: As for `verify`.
    """
    manifest, begun = read_manifest(folder), time.time()
    now = {"build": manifest.build, "files": _states(folder, manifest.files)}
    known = _record(folder) == now
    found = verify(folder, hashes=not known)
    # A file written within the clock's step could be written again without another time.
    newest = max((state[2] for state in now["files"].values()), default=0) / 1e9
    if not known and begun - newest > SETTLED:
        with contextlib.suppress(OSError):
            write_text(folder / RECORD, json.dumps(now) + "\n")
    return found


def _states(folder: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Return what the system says of each file; those that are missing are left out."""
    found = {}
    for name in sorted(names):
        with contextlib.suppress(OSError):
            state = (folder / name).stat()
            found[name] = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    return found


def _record(folder: Path) -> Any:
    try:
        return json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
