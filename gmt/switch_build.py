"""Move a finished build of a run into the place of the old one by a journal, whose rename is the one commit point."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from gmt.errors import RunError
from gmt.files import PART, locked, part_of, write_json
from gmt.manifest import MANIFEST, artefacts_of, is_inside, name_of, seal

JOURNAL = ".switch.json"
OF_ONE_BUILD = ("results", "last")
"""Folders of a run that tell of one build and go with it; what users added to a run stays."""


def switch(run: Path, made: Path, drop: Sequence[str]) -> None:
    """Seal a finished build, write the journal, the one commit point, and carry it out.

    Args:
        run: The run folder; it need not exist.
        made: The finished build, beside it.
        drop: Which of `OF_ONE_BUILD` go with the old build.
    """
    with locked(run):
        roll_forward(run)
        # What users added to the run stays its own when it is retrained, so its name does.
        manifest = seal(made, name_of(run))
        run.mkdir(parents=True, exist_ok=True)
        old = [name for name in artefacts_of(run) if name not in manifest.files]
        journal = {"made": made.name, "move": [*manifest.files, MANIFEST], "delete": old, "drop": list(drop)}
        write_json(run / JOURNAL, journal)
        roll_forward(run)


def roll_forward(run: Path) -> None:
    """Do what the journal says that is not done yet; every step may have been done before.

    Raises:
        RunError: The journal is damaged, or names files outside of the run.
    """
    path = run / JOURNAL
    if not path.is_file():
        return
    try:
        journal = json.loads(path.read_text("utf-8"))
        made, move, gone = str(journal["made"]), list(journal["move"]), list(journal["delete"])
        drop = list(journal.get("drop", ()))
        whole = is_inside(made) and made.endswith(PART) and "/" not in made and all(map(is_inside, move + gone))
        whole = whole and set(drop) <= set(OF_ONE_BUILD)
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:  # also where a stranger's run would have files outside of it moved or deleted
        raise RunError(f"{path} is damaged; restore the run from a copy, or delete {JOURNAL} and train again")
    made = run.parent / made
    # 1. The files of the old build that the new one lacks go first, the manifest comes last: while the two are
    # mixed, the old manifest finds a file missing or changed and no reader takes the mixture for a run.
    for name in drop:
        # Renamed first: a deletion that fails half-way would leave results of the old build in the new one.
        if (run / name).exists():
            aside = part_of(run / name)
            os.replace(run / name, aside)
            delete(aside)
    for name in gone:
        (run / name).unlink(missing_ok=True)
    for name in move:
        target = run / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (made / name).is_file():
            os.replace(made / name, target)
        elif not target.is_file():
            raise RunError(f"{made / name} is gone before it was moved into {run}; train the run again")
    # 2. The names must lie on the disk before the journal that would bring them there is deleted.
    for folder in {(run / name).parent for name in move}:
        _sync(folder)
    shutil.rmtree(made, ignore_errors=True)  # before the journal goes, or a checkpoint would be left to go on from
    path.unlink()
    _sync(run)


def delete(path: Path) -> None:
    """Delete a file or folder that nobody needs; what cannot be deleted now, the next `recover` tries again."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_committed(run: Path, made: Path) -> bool:
    """Tell whether a journal still needs the folder."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return json.loads((run / JOURNAL).read_text("utf-8"))["made"] == made.name
    return False


def _sync(folder: Path) -> None:
    """Ask the system to bring the names in a folder to the disk."""
    if os.name == "nt":
        return  # Windows opens no folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
