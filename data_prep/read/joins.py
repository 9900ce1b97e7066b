"""Read joined files: `--join [PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from data_prep.read.cells import label
from data_prep.read.dialect import PLAIN, Dialect
from data_prep.read.file_formats import read_rows
from data_prep.read.nested import reach
from data_prep.read.row import Rejected, Row
from gmt.errors import DataError

FORM = "expected [PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]"


@dataclass(frozen=True)
class Column:
    """Name where a column stands: in our own file (`join` is None) or in a joined one.

    Args:
        name: Its name, or the path to it.
        join: The joined file.
        inner: Whether the name is a path into the objects and lists of a cell.
    """

    name: str
    join: Join | None = None
    inner: bool = False

    def value(self, row: Row) -> Any:
        """Return the cell of this column for one of our rows; None where the joined file has no such row."""
        found: Row | None = row if self.join is None else self.join.match(row)
        if found is None:
            return None
        return reach(found, self.name) if self.inner else found.get(self.name)


@dataclass(frozen=True, eq=False)
class Join:
    """Hold the rows of a joined file by their key.

    Args:
        prefix: Its columns are called `prefix.column`, and `column` where no other file has one.
        path: The file.
        their_keys: Columns of the joined file that name one of its rows.
        our_keys: Where the matching values stand in ours.
        rows: Key -> row.
        columns: Columns of the joined file.
    """

    prefix: str
    path: Path
    their_keys: tuple[str, ...]
    our_keys: tuple[Column, ...]
    rows: dict[tuple[str | None, ...], Row]
    columns: frozenset[str]

    def match(self, row: Row) -> Row | None:
        """Return the joined row of one of our rows."""
        # Keys are compared as labels, so that the 8 of one file meets the "8" or 8.0 of another.
        return self.rows.get(tuple(label(key.value(row), key.name) for key in self.our_keys))

    def missing(self, row: Row) -> str:
        """Say which key has no row in the joined file."""
        keys = zip(self.their_keys, self.our_keys, strict=True)
        wanted = ", ".join(f"{theirs} {label(ours.value(row), ours.name)}" for theirs, ours in keys)
        return f"{self.path.name} has no row with {wanted}"


def read_join(
    spec: str, ours: Path, find: Callable[[str], Column], rejected: list[Rejected], dialect: Dialect = PLAIN
) -> Join:
    """Read a joined file.

    Args:
        spec: The join, as on the command line.
        ours: Our file; a joined file that is not here is looked for beside it.
        find: Returns where the column of a name stands in what is joined so far.
        rejected: Receives rows that cannot be read.
        dialect: How our file is written; a joined file of the same kind is taken to be written alike.

    Raises:
        DataError: The join is malformed, its file or a column is missing, or a key names two rows.
    """
    # From the right, for a path may hold a colon itself (`C:\...`).
    place, colon, keys = spec.rpartition(":")
    pairs = [part.partition("=") for part in keys.split(",")]
    if not colon or not place or not all(theirs and ours for theirs, _, ours in pairs):
        raise DataError(f"join is {spec!r}; {FORM}")
    prefix, path = _joined_file(place, ours)
    their_keys = tuple(theirs.strip() for theirs, _, _ in pairs)
    our_keys = tuple(find(name.strip()) for _, _, name in pairs)
    rows: dict[tuple[str | None, ...], Row] = {}
    lines: dict[tuple[str | None, ...], int] = {}
    columns: set[str] = set()
    alike = dialect if PLAIN.format_of(path) == dialect.format_of(ours) else Dialect(encoding=dialect.encoding)
    for line, row in read_rows(path, rejected, dialect=alike):
        columns |= row.keys()
        key = tuple(label(row.get(name), name) for name in their_keys)
        # Which of two different rows is meant nobody could say; the same row twice does no harm.
        if key in rows and rows[key] != row:
            raise DataError(
                f"{path.name} has two rows with {', '.join(their_keys)} = {', '.join(map(str, key))} (lines "
                f"{lines[key]} and {line}); join on columns that name one row"
            )
        rows[key], lines[key] = row, line
    for name in their_keys:
        if name not in columns:
            near = ", ".join(get_close_matches(name, sorted(columns)[:2000], n=3, cutoff=0.5) or sorted(columns)[:5])
            raise DataError(f"{path.name} has no column {name!r} to join on; the nearest are {near}")
    # Our file has the keys already, so theirs need no name of their own.
    return Join(prefix, path, their_keys, our_keys, rows, frozenset(columns - set(their_keys)))


def _joined_file(place: str, ours: Path) -> tuple[str, Path]:
    """Split `[PREFIX=]FILE` into the prefix, its file's stem where none is given, and the file."""
    prefix, equals, file = place.partition("=")
    # A file whose own name holds "=" goes before reading it as a prefix.
    if not equals or _located(place, ours).is_file():
        prefix, file = "", place
    path = _located(file, ours)
    if not path.is_file():
        raise DataError(f"the joined file {file} does not exist, here or beside {ours.name}; check --join")
    return prefix or path.stem, path


def _located(file: str, ours: Path) -> Path:
    here = Path(file)
    return here if here.is_file() else ours.parent / file
