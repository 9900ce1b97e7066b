"""Read CSV, TSV, JSONL, JSON and Parquet files as numbered rows."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.read.json_text import parse_json
from data_prep.read.row import Rejected, Row
from gmt.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)
"""What Arrow raises where the bytes of a file are not what its format says."""


def read_rows(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None = None
) -> Generator[tuple[int, Row], None, int]:
    """Yield (line, row) of one file; lines count from 1 and name where the row begins. At the end, return their count.

    In Parquet and JSON files the line is the number of the row.

    Args:
        path: The file.
        rejected: Receives the rows that cannot be read at all.
        part: What to read of a JSONL file, bytes from and to the beginning of a line, or of a Parquet file, row groups
            from and to; lines count from its beginning then.

    Raises:
        DataError: The file as a whole is not what its name says.
    """
    try:
        if path.suffix == ".jsonl":
            return (yield from _read_jsonl(path, rejected, part))
        if path.suffix == ".parquet":
            return (yield from _read_parquet(path, rejected, part))
        return (yield from (_read_json if path.suffix == ".json" else _read_csv)(path, rejected))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); check the file and your rights") from error


def column_names(path: Path) -> list[str] | None:
    """Return the columns that a file names before its rows; None for JSON, where each row names its own.

    Raises:
        DataError: The file as a whole is not what its name says.
    """
    if path.suffix == ".parquet":
        return list(open_parquet(path).schema_arrow.names)
    if path.suffix not in (".csv", ".tsv"):
        return None
    lines = _csv_lines(path)
    _, header = next(lines)
    return [name for name in header if name]


def open_parquet(path: Path) -> pq.ParquetFile:
    """Return a Parquet file of which only the end has been read.

    Raises:
        DataError: It is no Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except DAMAGED as error:
        raise DataError(f"{path.name} is not readable Parquet ({one_line(error)}); download it again") from error


def _read_csv(path: Path, rejected: list[Rejected]) -> Generator[tuple[int, Row], None, int]:
    lines = _csv_lines(path)
    end, header = next(lines)
    width: int | None = None
    for last, values in lines:
        # A quoted field may hold line breaks; a record is named by the line on which it begins.
        line, end = end + 1, last
        if not values:
            continue
        if width is None:
            # Columns that the header names and no row fills are common in what crowd sites export.
            width = len(header) if len(values) == len(header) else min(_widest(path), len(header))
        if len(values) != width:
            rejected.append(Rejected(path.name, line, f"{len(values)} fields; the header names {len(header)}"))
            continue
        # A CSV cannot tell an empty text from none at all; nobody meant an empty name or query.
        row = {name: value or None for name, value in zip(header, values, strict=False) if name}
        yield line, row if width == len(header) else dict.fromkeys(filter(None, header)) | row
    return end


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it ends, fields) of every record, the header first.

    Raises:
        DataError: The file is empty, names a column twice, or is no CSV in UTF-8.
    """
    csv.field_size_limit(sys.maxsize)  # answers outgrow the default of 128 KiB
    try:
        # `utf-8-sig` drops the byte order mark that spreadsheets write, which would join the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            header = next(reader, None)
            if not header or not any(header):
                raise DataError(f"{path.name} is empty; expected a first line that names the columns")
            twice = sorted(name for name, count in Counter(header).items() if count > 1 and name)
            if twice:
                raise DataError(f"{path.name} names the column {twice[0][:80]!r} twice; rename one of them")
            yield reader.line_num, header
            for values in reader:
                yield reader.line_num, values
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path.name} is not readable CSV ({error}); check its quotes") from error


def _widest(path: Path) -> int:
    """Return how many fields the longest row has, the header left out."""
    lines = _csv_lines(path)
    next(lines)
    return max(len(values) for _, values in lines)


def _read_jsonl(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None
) -> Generator[tuple[int, Row], None, int]:
    line, (start, stop) = 0, part or (0, sys.maxsize)
    with path.open("rb") as file:
        file.seek(start)
        # A part stops by where a line begins, so that each line is read by exactly one part.
        while start < stop and (raw := file.readline()):
            line, start = line + 1, start + len(raw)
            raw = raw.removeprefix(b"\xef\xbb\xbf").strip()
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


def _read_json(path: Path, rejected: list[Rejected]) -> Generator[tuple[int, Row], None, int]:
    rows = read_json(path)
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


def read_json(path: Path) -> Any:
    """Return the JSON value of a file.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a JSON file")
    try:
        # Many programs write NaN into JSON; numbers are checked where cells are read.
        return parse_json(path.read_bytes(), nan=True)
    except ValueError as error:
        raise DataError(f"{path.name} is not JSON ({one_line(error)}); repair it") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); check the file and your rights") from error


def one_line(error: BaseException, most: int = 200) -> str:
    """Return an error's message as one line of at most `most` characters."""
    return " ".join(str(error).split())[:most]
