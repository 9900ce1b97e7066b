"""Find the files of an export that lie side by side, and read them whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_prep.read.dialect import PLAIN
from data_prep.read.file_formats import read_rows
from data_prep.read.row import NumberedRow, Rejected


def file_in(folder: Path, stem: str) -> Path | None:
    """Return the data file of a folder whose name begins with a word, whatever its format; None where there is none.

    Of several the first by name is taken.
    """
    if not folder.is_dir():
        return None
    found = sorted(path for path in folder.iterdir() if path.name.split(".")[0] == stem and PLAIN.format_of(path))
    return found[0] if found else None


def rows_in(path: Path | None, rejected: list[Rejected]) -> Iterator[NumberedRow]:
    """Yield the rows of a file of an export; none where there is no such file."""
    if path is not None:
        for line, row in read_rows(path, rejected):
            yield path.name, line, row
