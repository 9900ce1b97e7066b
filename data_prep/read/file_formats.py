"""Read CSV, TSV, JSONL, JSON and Parquet files as numbered rows."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.read.row import Rejected, Row
from gmt.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


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
    if path.suffix == ".jsonl":
        return (yield from _read_jsonl(path, rejected, part))
    if path.suffix == ".parquet":
        return (yield from _read_parquet(path, part))
    return (yield from (_read_json if path.suffix == ".json" else _read_csv)(path, rejected))


def _read_csv(path: Path, rejected: list[Rejected]) -> Generator[tuple[int, Row], None, int]:
    csv.field_size_limit(sys.maxsize)  # answers outgrow the default of 128 KiB
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            header = next(reader, None)
            if not header:
                raise DataError(f"{path.name} is empty; expected a first line that names the columns")
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise DataError(f"{path.name} names the column {twice[0]!r} twice; rename one of them")
            end = reader.line_num
            for values in reader:
                line, end = end + 1, reader.line_num
                if not values:
                    continue
                if len(values) != len(header):
                    rejected.append(Rejected(path.name, line, f"{len(values)} fields; the header names {len(header)}"))
                    continue
                # A CSV cannot tell an empty text from none at all; nobody meant an empty name or query.
                yield line, {name: value or None for name, value in zip(header, values, strict=True)}
            return end
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path.name} is not readable CSV ({error}); check its quotes") from error


def _read_jsonl(
    path: Path, rejected: list[Rejected], part: tuple[int, int] | None
) -> Generator[tuple[int, Row], None, int]:
    line, (start, stop) = 0, part or (0, sys.maxsize)
    with path.open("rb") as file:
        file.seek(start)
        while start < stop and (raw := file.readline()):
            line, start = line + 1, start + len(raw)
            raw = raw.removeprefix(b"\xef\xbb\xbf").strip()
            if not raw:
                continue
            try:
                row = json.loads(raw, parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
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


def _read_parquet(path: Path, part: tuple[int, int] | None) -> Generator[tuple[int, Row], None, int]:
    try:
        number, groups = 0, None if part is None else list(range(*part))
        for batch in pq.ParquetFile(path).iter_batches(batch_size=4096, row_groups=groups):
            for row in batch.to_pylist():
                number += 1
                yield number, row
        return number
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is not readable Parquet ({one_line(error)}); download it again") from error


def read_json(path: Path) -> Any:
    """Return the JSON value of a file.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a JSON file")
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not JSON ({one_line(error)}); repair it") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def one_line(error: BaseException) -> str:
    """Return a foreign error's message as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
