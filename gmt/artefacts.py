"""Put a new build of a run in the place of the old one, so that a crash leaves one of the two and never a mixture.

A run folder holds **artefacts**, which training makes and nobody changes, listed in `manifest.json`, beside what may
change (`gmt.manifest.CHANGING`). A new build is made in a folder of its own and takes
their place at the end of `making`, whose one commit point is the rename of a journal into the run: a crash before it
leaves the old build, a crash after it leaves what `recover` completes into the new one.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gmt.errors import RunError, UserError
from gmt.files import PART, alive, is_dead, locked, part_of
from gmt.manifest import Manifest, has_manifest, read_manifest
from gmt.switch_build import JOURNAL, OF_ONE_BUILD, delete, is_committed, roll_forward, switch
from gmt.verified import verify_changed

TRAINING = "training"
"""Stands in the name of the one folder a training works in, which outlives its process so that it can be resumed."""
CHECKPOINT = "last/state.json"
"""The file of a training's folder that makes a checkpoint count; without it there is nothing to go on from."""
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
            stack.enter_context(alive(made))
        try:
            yield made
            switch(run, made, drop)
        finally:
            if not is_committed(run, made):
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
            roll_forward(run)
            if made.is_dir() and not is_dead(made):
                raise RunError(f"{run} is being trained by another command; wait for it, or name another --run")
            if not resume:
                shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alive(made))
            for path in list(made.rglob(f".*{PART}")):  # what was being written when the last one stopped
                delete(path)
        try:
            yield made
            switch(run, made, OF_ONE_BUILD)
        except Exception as error:
            worthless = isinstance(error, UserError) or not (made / CHECKPOINT).is_file()
            if worthless and not is_committed(run, made):
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
        roll_forward(run)
        for path in list(_leftovers(run)):
            if not path.is_dir() or is_dead(path):
                delete(path)


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
