"""Write several files that belong together beside each other, all of them or none, whenever the writer is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmt.errors import DataError
from gmt.files import PART, alive, clear_dead, names_locked, part_of, parts_of, read_json, write_json


@contextlib.contextmanager
def together(out: Path, siblings: Sequence[str] = ()) -> Iterator[Path]:
    """Give a path of the same name in an empty folder; what is written beside it takes its place when the block ends.

    The one commit point is the rename of a journal beside `out`: a crash before it leaves the old files, a crash after
    it leaves what `finish_together` completes into the new ones. A block that fails leaves the old files.

    Args:
        out: The main file.
        siblings: Names of files that belong to it; those that the block does not write are deleted.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    finish_together(out)
    with names_locked(out):
        clear_dead(out)
        # Journals are written under this lock, so one that is unfinished now is of a writer that was killed.
        for unfinished in parts_of(_journal(out)):
            unfinished.unlink(missing_ok=True)
    made = part_of(out)
    with contextlib.ExitStack() as stack:
        made.mkdir()
        stack.enter_context(alive(made))
        try:
            yield made / out.name
            names = sorted(path.name for path in made.iterdir() if not path.name.startswith("."))
            gone = [name for name in siblings if name not in names]
            with names_locked(out):
                write_json(_journal(out), {"made": made.name, "move": names, "delete": gone})
            finish_together(out)
        finally:
            if not _journal(out).is_file():
                shutil.rmtree(made, ignore_errors=True)


def finish_together(out: Path) -> None:
    """Complete what a killed writer had committed; whoever reads such files calls this first.

    Raises:
        DataError: The journal is damaged, or names files elsewhere.
    """
    out = out.resolve()
    path = _journal(out)
    if not path.is_file():
        return
    with names_locked(out):
        if not path.is_file():
            return
        repair = f"delete it and make {out.name} again"
        found = read_json(path, DataError, repair)
        try:
            made, move, delete = str(found["made"]), list(found["move"]), list(found["delete"])
        except (KeyError, TypeError):
            raise DataError(f"{path} is damaged; {repair}") from None
        # A stranger's journal must not have files elsewhere moved or deleted.
        if not made.endswith(PART) or any(str(Path(name).name) != name for name in (made, *move, *delete)):
            raise DataError(f"{path} names files elsewhere; {repair}")
        for name in delete:
            (out.parent / name).unlink(missing_ok=True)
        for name in move:
            if (out.parent / made / name).is_file():
                os.replace(out.parent / made / name, out.parent / name)
        shutil.rmtree(out.parent / made, ignore_errors=True)
        path.unlink()


def _journal(out: Path) -> Path:
    return out.with_name(f".{out.name[:80]}.together.json")
