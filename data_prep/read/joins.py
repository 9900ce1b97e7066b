"""Look columns up in joined files: `--join [PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from data_prep.read.cells import label
from data_prep.read.row_files import Row, read_rows
from data_prep.sources.registry import Rejected
from gmt.errors import DataError

WITH_HEADER = (".csv", ".tsv", ".parquet")
FORM = "expected [PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]"


@dataclass(frozen=True)
class Column:
    """Name where a column stands: in our own file (`join` is None) or in a joined one."""

    name: str
    join: Join | None = None

    def value(self, row: Row) -> Any:
        """Return the cell of this column for one of our rows; None where the joined file has no such row."""
        if self.join is None:
            return row.get(self.name)
        found = self.join.match(row)
        return None if found is None else found.get(self.name)


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
        return self.rows.get(tuple(label(key.value(row), key.name) for key in self.our_keys))

    def missing(self, row: Row) -> str:
        """Say which key has no row in the joined file."""
        keys = zip(self.their_keys, self.our_keys, strict=True)
        wanted = ", ".join(f"{theirs} {label(ours.value(row), ours.name)}" for theirs, ours in keys)
        return f"{self.path.name} has no row with {wanted}"


class Columns:
    """Find columns by name in our file and in the files joined to it.

    Args:
        path: Our file.
        rows: Reads its rows from the first one on.
        specs: The joins, as on the command line; a later one may use columns of an earlier one.
        rejected: Receives rows of joined files that cannot be read.

    Raises:
        DataError: A join is malformed, its file or a column is missing, or a key names two rows.
    """

    def __init__(
        self, path: Path, rows: Callable[[], Iterator[Row]], specs: tuple[str, ...], rejected: list[Rejected]
    ) -> None:
        self.path = path
        self.rows = rows
        self.columns = _named(path, rows())
        self.joins: list[Join] = []
        for spec in specs:
            self.joins.append(self._join(spec, rejected))

    def find(self, name: str, near: str | None = None) -> Column:
        """Return where the column `name` (or `prefix.name`) stands.

        Args:
            name: The name given on the command line.
            near: A column of ours; where two joins hold `name`, the one joined on it is meant. So a
                file of answers joined for both sides needs no prefix.

        Raises:
            DataError: No file has it, or several do and differ.
        """
        plain = [Column(name)] if name in self.columns else []
        plain += [Column(name, join) for join in self.joins if name in join.columns]
        places = plain or self._prefixed(name)
        if len(places) > 1 and near is not None:
            joined_on = [at for at in places if at.join and near in {key.name for key in at.join.our_keys}]
            places = joined_on if len(joined_on) == 1 else places
        if places and self._agree(places):
            return places[0]
        if places:
            files = " and ".join(at.join.path.name if at.join else self.path.name for at in places)
            prefixes = [at.join.prefix if at.join else self.path.stem for at in places]
            if len(set(prefixes)) < len(prefixes):
                repair = f"give the joins prefixes (--join a={files.split(' and ')[-1]}:…) and name it a.{name}"
            else:
                repair = f"name it {' or '.join(f'{prefix}.{name}' for prefix in prefixes)}"
            raise DataError(f"column {name!r} stands in {files}; {repair}")
        known = sorted(self.columns | {column for join in self.joins for column in join.columns})
        close = get_close_matches(name, known, n=3, cutoff=0.5) or known
        raise DataError(f"there is no column {name!r} in {self._files()}; the nearest are {', '.join(close)}")

    def _prefixed(self, name: str) -> list[Column]:
        places = [
            Column(name[len(join.prefix) + 1 :], join)
            for join in self.joins
            if name.startswith(join.prefix + ".") and name[len(join.prefix) + 1 :] in join.columns
        ]
        own = name.removeprefix(self.path.stem + ".")
        return places + ([Column(own)] if own != name and own in self.columns else [])

    def _agree(self, places: list[Column]) -> bool:
        """Tell whether it does not matter which of several columns of one name is read."""
        return len(places) == 1 or all(
            len({label(at.value(row), at.name) for at in places if at.join is None or at.join.match(row)}) <= 1
            for row in self.rows()
        )

    def _files(self) -> str:
        return " or ".join(dict.fromkeys([self.path.name, *(join.path.name for join in self.joins)]))

    def _join(self, spec: str, rejected: list[Rejected]) -> Join:
        place, colon, keys = spec.rpartition(":")
        pairs = [part.partition("=") for part in keys.split(",")]
        if not colon or not place or not all(theirs and ours for theirs, _, ours in pairs):
            raise DataError(f"join is {spec!r}; {FORM}")
        prefix, path = self._place(place)
        their_keys = tuple(theirs.strip() for theirs, _, _ in pairs)
        our_keys = tuple(self.find(ours.strip()) for _, _, ours in pairs)
        rows: dict[tuple[str | None, ...], Row] = {}
        lines: dict[tuple[str | None, ...], int] = {}
        columns: set[str] = set()
        for line, row in read_rows(path, rejected):
            columns |= row.keys()
            key = tuple(label(row.get(name), name) for name in their_keys)
            if key in rows and rows[key] != row:
                raise DataError(
                    f"{path.name} has two rows with {', '.join(their_keys)} = {', '.join(map(str, key))} (lines "
                    f"{lines[key]} and {line}); join on columns that name one row"
                )
            rows[key], lines[key] = row, line
        for name in their_keys:
            if name not in columns:
                close = get_close_matches(name, sorted(columns), n=3, cutoff=0.5) or sorted(columns)
                raise DataError(f"{path.name} has no column {name!r} to join on; the nearest are {', '.join(close)}")
        # Our file has the keys already, so theirs need no name of their own.
        return Join(prefix, path, their_keys, our_keys, rows, frozenset(columns - set(their_keys)))

    def _place(self, place: str) -> tuple[str, Path]:
        """Split `[PREFIX=]FILE`; a file that is not here is looked for beside ours."""
        prefix, equals, file = place.partition("=")
        if not equals or self._located(place).is_file():
            prefix, file = "", place
        path = self._located(file)
        if not path.is_file():
            raise DataError(f"the joined file {file} does not exist, here or beside {self.path.name}; check --join")
        return prefix or path.stem, path

    def _located(self, file: str) -> Path:
        here = Path(file)
        return here if here.is_file() else self.path.parent / file


def _named(path: Path, rows: Iterator[Row]) -> frozenset[str]:
    """Return the names of all columns; in files with a header the first row has them all."""
    if path.suffix in WITH_HEADER:
        return frozenset(next(rows, {}))
    return frozenset(name for row in rows for name in row)
