"""Read CSV and TSV files as numbered rows."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

from data_prep.read.dialect import DELIMITERS, PLAIN, Dialect
from data_prep.read.row import Rejected, Row
from gmt.errors import DataError


def read_csv(path: Path, rejected: list[Rejected], dialect: Dialect = PLAIN) -> Generator[tuple[int, Row], None, int]:
    """Yield (line on which it begins, row); at the end, return the count of lines.

    Raises:
        DataError: The file is empty, names a column twice, or is no CSV in its encoding.
    """
    lines = _csv_lines(path, dialect)
    end, header = next(lines)
    width: int | None = None
    for last, values in lines:
        # A quoted field may hold line breaks; a record is named by the line on which it begins.
        line, end = end + 1, last
        if not values:
            continue
        if width is None:
            # Columns that the header names and no row fills are common in what crowd sites export.
            width = len(header) if len(values) == len(header) else min(_widest(path, dialect), len(header))
        if len(values) != width:
            rejected.append(Rejected(path.name, line, f"{len(values)} fields; the header names {len(header)}"))
            continue
        # A CSV cannot tell an empty text from none at all; nobody meant an empty name or query.
        row = {name: value or None for name, value in zip(header, values, strict=False) if name}
        yield line, row if width == len(header) else dict.fromkeys(filter(None, header)) | row
    return end


def csv_columns(path: Path, dialect: Dialect = PLAIN) -> list[str]:
    """Return the columns that the header names.

    Raises:
        DataError: As `read_csv`.
    """
    _, header = next(_csv_lines(path, dialect))
    return [name for name in header if name]


def better_delimiter(columns: list[str]) -> str | None:
    """Return the name of the separator that a header read as one column holds, None where it holds none."""
    if len(columns) != 1:
        return None
    found = {word: columns[0].count(sign) for word, sign in DELIMITERS.items() if word.isalpha() and word != "space"}
    word = max(found, key=lambda one: found[one])
    return word if found[word] else None


def _csv_lines(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it ends, fields) of every record, the header first."""
    csv.field_size_limit(sys.maxsize)  # answers outgrow the default of 128 KiB
    try:
        with dialect.open_text(path) as file:
            reader = csv.reader(file, delimiter=dialect.separator(path))
            header = next(reader, None)
            if not header or not any(header):
                raise DataError(f"{path.name} is empty; expected a first line that names the columns")
            twice = sorted(name for name, count in Counter(header).items() if count > 1 and name)
            if twice:
                raise DataError(f"{path.name} names the column {twice[0][:80]!r} twice; rename one of them")
            yield reader.line_num, header
            for values in reader:
                yield reader.line_num, values
    except UnicodeError as error:
        stated = (dialect.encoding or "UTF-8").upper()
        why = getattr(error, "reason", error)
        raise DataError(
            f"{path.name} is not {stated} ({why}); save it as UTF-8, or name its encoding, e.g. --encoding cp1252"
        ) from error
    except csv.Error as error:
        raise DataError(f"{path.name} is not readable CSV ({error}); check its quotes") from error


def _widest(path: Path, dialect: Dialect) -> int:
    """Return how many fields the longest row has, the header left out."""
    lines = _csv_lines(path, dialect)
    next(lines)
    return max(len(values) for _, values in lines)
