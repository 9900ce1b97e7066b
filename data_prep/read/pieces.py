"""Cut an input into pieces that processes and machines read apart, and parse a piece a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.read.cells import ScaleUnknown
from data_prep.read.file_formats import read_rows
from data_prep.read.row import NumberedRow, Parse, Rejected, WrongCall
from data_prep.read.row_files import HUB, data_files, is_hub, read_hub
from gmt.errors import DataError

PIECE_BYTES = 16 << 20
"""Bytes of a JSONL file, or of the row groups of a Parquet file, that make a piece."""
ROWS_AT_ONCE = 4000


@dataclass(frozen=True)
class Piece:
    """Name a part of an input, or hold its rows.

    Args:
        source: A file, or `hub:<dataset id>`.
        part: What to read of the file, as in `read_rows`; None for all of it.
        split: Split of a hub dataset to read where it has several.
        rows: The rows, where they are read already; nothing is read of the source then.
        rejected: The rows that could not be read on the way to them.
    """

    source: str
    part: tuple[int, int] | None = None
    split: str = "train"
    rows: Sequence[NumberedRow] | None = None
    rejected: Sequence[Rejected] = ()

    @property
    def file(self) -> str:
        """The name by which rejected rows are told."""
        return self.source.removeprefix(HUB) if is_hub(self.source) else Path(self.source).name


@dataclass(frozen=True, eq=False)
class ParsedRows:
    """Hold rows of one piece that were parsed together.

    Args:
        file: Where they stand.
        rows: What they say, packed as the caller of `parse_piece` asked for.
        rejected: The rows that could not be read; lines count from where the piece begins.
        lines: How many lines the piece has; 0 but for its last rows.
        fault: The row for which the call as a whole is wrong, likewise; nothing is read after it.
        before: Lines of the file before the piece, which the lines in `rows` lack.
    """

    file: str
    rows: Any
    rejected: Sequence[Rejected]
    lines: int = 0
    fault: Rejected | None = None
    before: int = 0


def split_input(input: str | Path | None, hand_over: bool, split: str = "train") -> Iterator[Piece]:
    """Yield the pieces of a file, a folder or a hub dataset, in order.

    JSONL files are cut between lines and Parquet files between row groups. Files of other kinds are read whole, for
    only who reads a CSV file from its beginning knows which line breaks are quoted.

    Args:
        input: File, folder or `hub:<dataset id>`.
        hand_over: Read here what is not cut, and hand over its rows; else it is one piece.
        split: Split of a hub dataset to read where it has several.

    Raises:
        DataError: There is no input, or nothing in it to read.
    """
    for source in [str(input)] if is_hub(input) else map(str, data_files(input)):
        path = Path(source)
        if is_hub(source):
            yield from _handed_over(Piece(source, split=split)) if hand_over else [Piece(source, split=split)]
        elif path.suffix == ".jsonl":
            yield from (Piece(source, part) for part in _line_parts(path))
        elif path.suffix == ".parquet":
            yield from (Piece(source, part) for part in _row_group_parts(path))
        else:
            yield from _handed_over(Piece(source)) if hand_over else [Piece(source)]


def parse_piece(piece: Piece, parse: Parse[Any], pack: Callable[[list[Any]], Any] = list) -> Iterator[ParsedRows]:
    """Yield what a piece's rows say, `ROWS_AT_ONCE` rows at a time.

    Args:
        piece: What to read.
        parse: Reads what one row says.
        pack: Makes what is handed on of the list of what rows say.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    reader = PieceReader(piece)
    rows, refused = iter(reader), list(piece.rejected)
    while True:
        some = list(islice(rows, ROWS_AT_ONCE))
        last = len(some) < ROWS_AT_ONCE
        fault = None
        try:
            parsed, bad = parse_rows(some, parse)
        except WrongCall as error:  # whoever knows where the piece begins can name the line
            parsed, bad, fault = [], [], error.row
        found = [*refused, *reader.taken(), *bad]
        refused = []
        yield ParsedRows(piece.file, pack(parsed), found, reader.lines if last else 0, fault)
        if last or fault is not None:
            return


def parse_rows(rows: Iterable[NumberedRow], parse: Parse[Any]) -> tuple[list[Any], list[Rejected]]:
    """Return what rows say, and those that `parse` refused.

    Raises:
        WrongCall: A rating needs a scale that nobody stated.
    """
    parsed: list[Any] = []
    refused: list[Rejected] = []
    for file, line, row in rows:
        try:
            parsed.extend(parse(file, line, row))
        except ScaleUnknown as error:
            raise WrongCall(Rejected(file, line, str(error))) from error
        except DataError as error:
            refused.append(Rejected(file, line, str(error)))
    return parsed, refused


class PieceReader:
    """Iterate over the rows of a piece.

    Attributes:
        lines: How many lines the piece has, known when its last row was read.
    """

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.lines = 0
        self._refused: list[Rejected] = []

    def __iter__(self) -> Iterator[NumberedRow]:
        piece = self.piece
        if piece.rows is not None:
            yield from piece.rows
        elif is_hub(piece.source):
            yield from read_hub(piece.source, piece.split)
        else:
            self.lines = yield from self._rows_of_file()

    def taken(self) -> list[Rejected]:
        """Return the rows that could not be read since this was last asked."""
        refused, self._refused[:] = list(self._refused), []
        return refused

    def _rows_of_file(self) -> Any:
        rows = read_rows(Path(self.piece.source), self._refused, self.piece.part)
        while True:
            try:
                line, row = next(rows)
            except StopIteration as end:
                return end.value
            yield self.piece.file, line, row


class LineOffsets:
    """Turn lines counted from where a piece begins into lines of its file."""

    def __init__(self) -> None:
        self.file, self.lines = "", 0

    def place(self, found: ParsedRows) -> ParsedRows:
        """Return what was parsed with lines of its file; pieces and their rows must come in order.

        Raises:
            WrongCall: A rating needs a scale that nobody stated.
        """
        if found.file != self.file:
            self.file, self.lines = found.file, 0
        before = self.lines
        self.lines += found.lines
        if found.fault is not None:
            raise WrongCall(replace(found.fault, line=found.fault.line + before))
        rejected = [replace(one, line=one.line + before) for one in found.rejected]
        return replace(found, rejected=rejected, before=before)


def _handed_over(piece: Piece) -> Iterator[Piece]:
    """Read a piece and yield its rows as pieces; their lines are those of the file already."""
    reader = PieceReader(piece)
    rows = iter(reader)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield replace(piece, rows=some, rejected=reader.taken())
    if refused := reader.taken():
        yield replace(piece, rows=(), rejected=refused)


def _line_parts(path: Path) -> list[tuple[int, int]]:
    """Cut a file into parts of about `PIECE_BYTES`, each from the beginning of a line."""
    parts, start, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            file.seek(min(start + PIECE_BYTES, size) - 1)
            file.readline()
            parts.append((start, file.tell()))
            start = file.tell()
    return parts


def _row_group_parts(path: Path) -> list[tuple[int, int]]:
    """Cut a file into runs of row groups of about `PIECE_BYTES`."""
    try:
        metadata = pq.ParquetFile(path).metadata
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is not readable Parquet ({error}); download it again") from error
    parts, first, held = [], 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        if held >= PIECE_BYTES or group == metadata.num_row_groups - 1:
            parts.append((first, group + 1))
            first, held = group + 1, 0
    return parts
