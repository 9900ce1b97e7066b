"""Read CSV, TSV, JSONL, JSON and Parquet files as numbered rows."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.read.csv_rows import csv_columns, read_csv
from data_prep.read.dialect import PACKED, PLAIN, SUFFIXES, Dialect
from data_prep.read.json_text import parse_json
from data_prep.read.row import Rejected, Row
from gmt.errors import DataError

__all__ = ["SUFFIXES", "column_names", "one_line", "open_parquet", "read_json", "read_rows"]
DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)
"""What Arrow raises where the bytes of a file are not what its format says."""


def read_rows(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None = None, dialect: Dialect = PLAIN
) -> Generator[tuple[int, Row], None, int]:
    """Yield (line, row) of one file; lines count from 1 and name where the row begins. At the end, return their count.

    In Parquet and JSON files the line is the number of the row.

    Args:
        path: The file.
        rejected: Receives the rows that cannot be read at all.
        part: What to read of a JSONL file, bytes from and to the beginning of a line, or of a Parquet file, row groups
            from and to; lines count from its beginning then.
        dialect: How the file is written where its name does not say so.

    Raises:
        DataError: The file as a whole is not what its name says.
    """
    kind = dialect.format_of(path)
    try:
        if kind == "jsonl":
            return (yield from _read_jsonl(path, rejected, part, dialect))
        if kind == "parquet":
            return (yield from _read_parquet(path, rejected, part))
        return (yield from (_read_json if kind == "json" else read_csv)(path, rejected, dialect))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name} is not readable gzip ({one_line(error)}); download it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); check the file and your rights") from error


def column_names(path: Path, dialect: Dialect = PLAIN) -> list[str] | None:
    """Return the columns that a file names before its rows; None for JSON, where each row names its own.

    Raises:
        DataError: The file as a whole is not what its name says.
    """
    kind = dialect.format_of(path)
    if kind == "parquet":
        return list(open_parquet(path).schema_arrow.names)
    return csv_columns(path, dialect) if kind in ("csv", "tsv") else None


def open_parquet(path: Path) -> pq.ParquetFile:
    """Return a Parquet file of which only the end has been read.

    Raises:
        DataError: It is no Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except DAMAGED as error:
        raise DataError(f"{path.name} is not readable Parquet ({one_line(error)}); download it again") from error


def _read_jsonl(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None, dialect: Dialect
) -> Generator[tuple[int, Row], None, int]:
    line = 0
    for raw in _plain_lines(path, part) if dialect.in_parts(path) else _decoded_lines(path, dialect):
        line += 1
        raw = raw.strip()
        if not raw:
            continue
        try:
            row = parse_json(raw)
        except ValueError as error:
            rejected.append(Rejected(path.name, line, f"not JSON ({one_line(error)}); expected one object a line"))
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            rejected.append(Rejected(path.name, line, f"found a {type(row).__name__}; expected one object a line"))
    return line


def _plain_lines(path: Path, part: tuple[int, int] | None) -> Iterator[bytes]:
    """Yield the lines of a file, or of a part of it, without a byte order mark."""
    start, stop = part or (0, sys.maxsize)
    with path.open("rb") as file:
        file.seek(start)
        # A part stops by where a line begins, so that each line is read by exactly one part.
        while start < stop and (raw := file.readline()):
            start += len(raw)
            yield raw.removeprefix(b"\xef\xbb\xbf")


def _decoded_lines(path: Path, dialect: Dialect) -> Iterator[str | bytes]:
    """Yield the lines of a file that is packed or in another encoding."""
    if path.suffix == PACKED and dialect.encoding is None:
        with gzip.open(path, "rb") as file:
            yield from (raw.removeprefix(b"\xef\xbb\xbf") for raw in file)
        return
    try:
        with dialect.open_text(path) as lines:
            yield from lines
    except UnicodeError as error:
        raise DataError(f"{path.name} is not {dialect.encoding} ({one_line(error)}); check --encoding") from error


def _read_json(path: Path, rejected: list[Rejected], dialect: Dialect) -> Generator[tuple[int, Row], None, int]:
    rows = read_json(path, dialect)
    if not isinstance(rows, list):
        raise DataError(f"{path.name} holds one {type(rows).__name__}; expected a list of objects")
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield number, row
        else:
            rejected.append(Rejected(path.name, number, f"found {type(row).__name__}; expected an object"))
    return len(rows)


def _read_parquet(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None
) -> Generator[tuple[int, Row], None, int]:
    number, groups = 0, None if part is None else list(range(*part))
    file = open_parquet(path)
    # Small batches: cells of a Parquet row as Python objects take many times the memory that they take in the file.
    batches = file.iter_batches(batch_size=4096, row_groups=groups)
    while True:
        try:
            batch = next(batches, None)
        except DAMAGED as error:
            raise DataError(f"{path.name} is not readable Parquet ({one_line(error)}); download it again") from error
        if batch is None:
            return number
        for row in _rows_of(batch):
            number += 1
            if isinstance(row, str):
                rejected.append(Rejected(path.name, number, row))
            else:
                yield number, row


def _rows_of(batch: pa.RecordBatch) -> Iterator[Row | str]:
    """Yield rows, and for those with a value that Python has no place for (a far date, no UTF-8) the reason."""
    try:
        # Whole batches are fast; only a batch with a bad value is gone through cell by cell.
        yield from batch.to_pylist()
        return
    except DAMAGED:
        pass
    for at in range(batch.num_rows):
        row: Row = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                row[name] = column[at].as_py()
            except DAMAGED as error:
                yield f"{name} cannot be read ({one_line(error)}); repair the value or take the row out"
                break
        else:
            yield row


def read_json(path: Path, dialect: Dialect = PLAIN) -> Any:
    """Return the JSON value of a file.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a JSON file")
    try:
        # Many programs write NaN into JSON; numbers are checked where cells are read.
        return parse_json(dialect.read_bytes(path), nan=True)
    except ValueError as error:
        raise DataError(f"{path.name} is not JSON ({one_line(error)}); repair it") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); check the file and your rights") from error


def one_line(error: BaseException, most: int = 200) -> str:
    """Return an error's message as one line of at most `most` characters."""
    return " ".join(str(error).split())[:most]
