"""Put a new build of a run in the place of the old one, so that a crash leaves one of the two and never a mixture.

A run folder holds **artefacts**, which training makes and nobody changes, listed in `manifest.json`, beside what may
change (`gmt.manifest.CHANGING`). A new build is made in a folder of its own and takes
their place at the end of `making`, whose one commit point is the rename of a journal into the run: a crash before it
leaves the old build, a crash after it leaves what `recover` completes into the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gmt.errors import RunError, UserError
from gmt.files import PART, locked, part_of, write_json
from gmt.manifest import MANIFEST, Manifest, artefacts_of, has_manifest, is_inside, name_of, read_manifest, seal
from gmt.verified import verify_changed

JOURNAL = ".switch.json"
TRAINING = "training"
"""Stands in the name of the one folder a training works in, which outlives its process so that it can be resumed."""
OF_ONE_BUILD = ("results", "last")
"""Folders of a run that tell of one build and go with it; what people told a run stays."""
CHECKPOINT = "last/state.json"
"""The file of a training's folder that makes a checkpoint count; without it there is nothing to go on from."""
ALIVE = ".alive"
"""In the folder of a build that is being made; its lock is held as long as its maker lives."""
ATTEMPTS = 20
ABANDONED = 3600.0
"""Seconds after which an unfinished result, which is written in milliseconds, has no writer any more."""

T = TypeVar("T")


@contextlib.contextmanager
def making(run: Path, drop: Sequence[str] = ()) -> Iterator[Path]:
    """Give an empty folder to make a build in, and switch it into the run when the block ends without an error.

    Whoever reads the run meanwhile reads the old build. A block that fails leaves the run as it was. Nothing of what
    changes beside the artefacts is touched, and people's votes stay the run's own.

    Args:
        run: The run folder; it need not exist.
        drop: Which of `OF_ONE_BUILD` go with the old build.
    """
    run = run.resolve()
    with contextlib.ExitStack() as stack:
        # Under the run's lock, so that nobody takes the folder for that of a dead command before it is locked.
        with locked(run):
            made = part_of(run)
            made.mkdir(parents=True)
            stack.enter_context(_alive(made))
        try:
            yield made
            _switch(run, made, drop)
        finally:
            if not _is_committed(run, made):
                shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def training(run: Path, resume: bool = False) -> Iterator[Path]:
    """Give the one folder in which a run is trained, as `making` does, but kept where the block fails half-way.

    Where the process is killed or stopped, `training(run, resume=True)` gives the folder back as it was left. A mistake
    of the user's leaves nothing, for going on would end in the same; nor does an error before the first checkpoint.

    Args:
        run: The run folder; it need not exist.
        resume: Keep what a training that stopped left; else it is deleted.

    Raises:
        RunError: Another process trains into this run.
    """
    run, made = run.resolve(), unfinished(run)
    with contextlib.ExitStack() as stack:
        with locked(run):
            _roll_forward(run)
            if made.is_dir() and not _is_dead(made):
                raise RunError(f"{run} is being trained by another command; wait for it, or name another --run")
            if not resume:
                shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_alive(made))
            for path in list(made.rglob(f".*{PART}")):  # what was being written when the last one stopped
                _delete(path)
        try:
            yield made
            _switch(run, made, OF_ONE_BUILD)
        except Exception as error:
            worthless = isinstance(error, UserError) or not (made / CHECKPOINT).is_file()
            if worthless and not _is_committed(run, made):
                shutil.rmtree(made, ignore_errors=True)
            raise


def unfinished(run: Path) -> Path:
    """Return the folder in which a run is trained; it exists while one is, and after one that stopped."""
    run = run.resolve()
    return run.with_name(f".{run.name[:80]}.{TRAINING}{PART}")


def open_run(run: Path, load: Callable[[], T]) -> T:
    """Load a run whose every artefact is what training wrote, all of one build.

    A run of an earlier version has no manifest and is read as it is. All files are hashed when it is first opened, and
    again when one of them was written since: a changed bit in them would only show as other scores.

    Args:
        run: The run folder.
        load: Reads what it needs; is called again where the build changed under it.

    Raises:
        RunError: An artefact is missing, damaged or not listed, or there is no run.
    """

    def checked() -> T:
        if not (run / "card.json").is_file() and unfinished(run).is_dir():
            raise RunError(f"the training of {run} did not end; go on with gmt train --resume, or train it again")
        if has_manifest(run):
            verify_changed(run)
        return load()

    return read_whole(run, checked)


def recover(run: Path) -> None:
    """Complete what a killed command left of a run: finish its switch, delete what it had not finished.

    Whoever opens a run calls this first. Where there is nothing to do, nothing is locked or written.
    """
    run = run.resolve()
    if not (run / JOURNAL).is_file() and not any(_leftovers(run)):
        return
    with locked(run):
        _roll_forward(run)
        for path in list(_leftovers(run)):
            if not path.is_dir() or _is_dead(path):
                _delete(path)


def read_whole(run: Path, load: Callable[[], T]) -> T:
    """Load a run so that all that was read is of one build, also while others replace it.

    Args:
        run: The run folder.
        load: Reads what it needs; is called again where the build changed under it.

    Raises:
        RunError: The run was replaced every time.
    """
    for _ in range(ATTEMPTS):
        recover(run)
        before = _manifest_of(run)
        try:
            found = load()
        except Exception:
            # A file that vanished or does not fit may only be the new build's.
            if _manifest_of(run) == before and not (run / JOURNAL).is_file():
                raise
            continue
        if _manifest_of(run) == before and not (run / JOURNAL).is_file():
            return found
    raise RunError(f"{run} was replaced {ATTEMPTS} times while it was read; wait for its training to end")


def _switch(run: Path, made: Path, drop: Sequence[str]) -> None:
    """Seal a finished build, write the journal, the one commit point, and carry it out."""
    with locked(run):
        _roll_forward(run)
        # What people told the run stays its own when it is retrained, so its name does.
        manifest = seal(made, name_of(run))
        run.mkdir(parents=True, exist_ok=True)
        old = [name for name in artefacts_of(run) if name not in manifest.files]
        journal = {"made": made.name, "move": [*manifest.files, MANIFEST], "delete": old, "drop": list(drop)}
        write_json(run / JOURNAL, journal)
        _roll_forward(run)


def _roll_forward(run: Path) -> None:
    """Do what the journal says that is not done yet; every step may have been done before."""
    path = run / JOURNAL
    if not path.is_file():
        return
    try:
        journal = json.loads(path.read_text("utf-8"))
        made, move, delete = str(journal["made"]), list(journal["move"]), list(journal["delete"])
        drop = list(journal.get("drop", ()))
        whole = is_inside(made) and made.endswith(PART) and "/" not in made and all(map(is_inside, move + delete))
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
            _delete(aside)
    for name in delete:
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


def _delete(path: Path) -> None:
    """Delete a file or folder that nobody needs; what cannot be deleted now, the next `recover` tries again."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_committed(run: Path, made: Path) -> bool:
    """Tell whether a journal still needs the folder."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return json.loads((run / JOURNAL).read_text("utf-8"))["made"] == made.name
    return False


def _manifest_of(run: Path) -> Manifest | None:
    try:
        return read_manifest(run)
    except RunError:
        return None


def _leftovers(run: Path) -> Iterator[Path]:
    """Yield what commands left unfinished in and beside a run; folders may belong to one that still lives."""
    name = re.compile(re.escape(f".{run.name[:80]}.") + "[0-9a-f]{12}" + re.escape(PART))
    yield from (path for path in run.parent.glob(f".*{PART}") if name.fullmatch(path.name))
    for folder in (run, run / "embeddings"):
        yield from folder.glob(f".*{PART}")
    for path in (run / "results").glob(f"**/.*{PART}"):  # results are written without the run's lock
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                yield path


@contextlib.contextmanager
def _alive(made: Path) -> Iterator[None]:
    """Hold the lock that says a build is still being made; the system frees it when the process dies."""
    from filelock import FileLock

    with FileLock(made / ALIVE):
        yield


def _is_dead(made: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(made / ALIVE, timeout=0):
            return True
    except Timeout:
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
