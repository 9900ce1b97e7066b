"""Find columns by name in our file and in the files joined to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from data_prep.read.cells import label
from data_prep.read.csv_rows import better_delimiter
from data_prep.read.dialect import PLAIN, Dialect
from data_prep.read.file_formats import column_names
from data_prep.read.joins import Column, Join, read_join
from data_prep.read.nested import PLACE, inner_names, reach
from data_prep.read.row import Rejected, Row
from gmt.errors import DataError

WITH_HEADER = ("csv", "tsv", "parquet")
MOST_COMPARED = 2000
"""Columns whose names are compared with one that is not there; each takes some 50 µs."""


class Columns:
    """Know the columns of our file and of the files joined to it.

    Args:
        path: Our file.
        rows: Reads its rows from the first one on.
        specs: The joins, as on the command line; a later one may use columns of an earlier one.
        rejected: Receives rows of joined files that cannot be read.
        unread: The rows of ours that could not be read so far.
        dialect: How our file is written where its name does not say so.
        added: Columns that `rows` adds to those of the file.

    Raises:
        DataError: A join is malformed, its file or a column is missing, or a key names two rows.
    """

    def __init__(
        self,
        path: Path,
        rows: Callable[[], Iterator[Row]],
        specs: tuple[str, ...],
        rejected: list[Rejected],
        unread: Sequence[Rejected] = (),
        dialect: Dialect = PLAIN,
        added: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.rows = rows
        self.unread = unread
        self.columns = _column_names(path, rows(), dialect) | set(added)
        self.joins: list[Join] = []
        for spec in specs:
            # One by one, since the keys of a join may be columns of an earlier one.
            self.joins.append(read_join(spec, path, self.find, rejected, dialect))

    def find(self, name: str, near: str | None = None) -> Column:
        """Return where the column `name` (or `prefix.name`) stands.

        Args:
            name: The name given on the command line.
            near: A column of ours; where two joins hold `name`, the one joined on it is meant. So a
                file of answers joined for both sides needs no prefix.

        Raises:
            DataError: No file has it, or several do and differ.
        """
        # A column that bears the whole name goes before a prefix, for names may hold a dot themselves.
        plain = [Column(name)] if name in self.columns else []
        plain += [Column(name, join) for join in self.joins if name in join.columns]
        places = plain or self._prefixed(name)
        if len(places) > 1 and near is not None:
            joined_on = [at for at in places if at.join and near in {key.name for key in at.join.our_keys}]
            places = joined_on if len(joined_on) == 1 else places
        places = places or self._inner(name)
        # Joined files often repeat our columns; where all rows agree there is nothing to choose.
        if places and self._agree(places):
            return places[0]
        if places:
            raise DataError(self._ambiguous(name, places))
        raise DataError(self._missing(name))

    def _inner(self, name: str) -> list[Column]:
        """Return the column where the name is a path into a cell of ours that leads somewhere on some row."""
        if "." not in name or name.split(".")[0] not in self.columns:
            return []
        # A path that another cell names leads somewhere else on every row, and may lead nowhere on many.
        leads = PLACE.search(name) is not None or any(reach(row, name) is not None for row in self.rows())
        return [Column(name, inner=True)] if leads else []

    def _missing(self, name: str) -> str:
        """Say that there is no such column, which ones there are, and what may have hidden it."""
        known = sorted(self.columns | {column for join in self.joins for column in join.columns})
        if not known:
            why = f" (the first is bad: {self.unread[0]})" if self.unread else ""
            return f"{self._files()} holds no row with columns{why}; expected one or more"
        if separator := better_delimiter(known):
            return (
                f"there is no column {name!r} in {self._files()}, whose first line is one field with {separator}s in "
                f"it; name what separates the fields, --delimiter {separator}"
            )
        known += inner_names(next(self.rows(), {}))
        return f"there is no column {name!r} in {self._files()}; the nearest are {nearest(name, known)}"

    def _ambiguous(self, name: str, places: list[Column]) -> str:
        """Say where several columns of one name stand, and how to tell them apart."""
        files = " and ".join(at.join.path.name if at.join else self.path.name for at in places)
        prefixes = [at.join.prefix if at.join else self.path.stem for at in places]
        # Two joins of one file share its stem, so that their prefixes tell nothing apart.
        if len(set(prefixes)) < len(prefixes):
            repair = f"give the joins prefixes (--join a={files.split(' and ')[-1]}:…) and name it a.{name}"
        else:
            repair = f"name it {' or '.join(f'{prefix}.{name}' for prefix in prefixes)}"
        return f"column {name!r} stands in {files}; {repair}"

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


def nearest(name: str, known: Sequence[str]) -> str:
    """List the columns that are called most like `name`, at most three, or the first five."""
    close = get_close_matches(name, known[:MOST_COMPARED], n=3, cutoff=0.5)
    return ", ".join(one[:60] for one in close or known[:5]) + ("" if close or len(known) <= 5 else ", …")


def _column_names(path: Path, rows: Iterator[Row], dialect: Dialect) -> frozenset[str]:
    """Return the names of all columns, from the header where the file has one."""
    if dialect.format_of(path) in WITH_HEADER and path.is_file():
        return frozenset(column_names(path, dialect) or ())
    # JSON rows may each have other keys, so all of them must be read to know the columns.
    return frozenset(name for row in rows for name in row)
