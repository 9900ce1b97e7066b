"""Cut an input into pieces that processes and machines read apart, and read a piece into blocks of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.read.answers import Answers
from data_prep.read.cells import ScaleUnknown
from data_prep.read.gather import Block, Gatherer
from data_prep.read.row_files import HUB, Row, data_files, is_hub, read_hub, read_rows
from data_prep.sources.registry import Rejected
from gmt.errors import DataError

Parse = Callable[[str, int, Row], Sequence[Answers]]
"""Reads what a row says; it must be picklable where several processes read."""

PIECE_BYTES = 16 << 20
"""Bytes of a JSONL file, or of the row groups of a Parquet file, that are read at once."""
ROWS_AT_ONCE = 4000


@dataclass(frozen=True)
class Piece:
    """Name a part of an input.

    Args:
        source: A file, or `hub:<dataset id>`.
        part: What to read of the file, as in `read_rows`; None for all of it.
    """

    source: str
    part: tuple[int, int] | None = None

    @property
    def file(self) -> str:
        """The name that lines are told by."""
        return self.source.removeprefix(HUB) if is_hub(self.source) else Path(self.source).name


@dataclass(frozen=True, eq=False)
class Read:
    """Hold rows of one piece that were read together.

    Args:
        block: What they say; lines count from where the piece begins.
        rejected: The rows that could not be read, likewise.
        lines: How many lines the piece has; 0 but for its last rows.
        fault: The row for which the call as a whole is wrong, likewise; nothing is read after it.
    """

    block: Block
    rejected: list[Rejected]
    lines: int = 0
    fault: Rejected | None = None

    def moved(self, lines: int) -> Read:
        """Return the same rows where the piece begins after so many lines of its file."""
        if not lines:
            return self
        columns = self.block.columns | {"line": self.block.columns["line"] + lines}
        rejected = [replace(one, line=one.line + lines) for one in self.rejected]
        fault = None if self.fault is None else replace(self.fault, line=self.fault.line + lines)
        return Read(replace(self.block, columns=columns), rejected, self.lines, fault)


class WrongCall(DataError):
    """A row shows that an option is wrong or missing.

    Args:
        row: The row and what is wrong.
    """

    def __init__(self, row: Rejected) -> None:
        super().__init__(str(row))
        self.row = row

    def __reduce__(self) -> tuple[type[WrongCall], tuple[Rejected]]:
        return WrongCall, (self.row,)  # an exception is pickled by its message else


def cut(input: str | Path | None) -> list[Piece]:
    """Return the pieces of a file, a folder or a hub dataset, in order.

    JSONL files are cut between lines and Parquet files between row groups; files of other kinds are read whole, for
    only who reads a CSV file from its beginning knows which line breaks are quoted.

    Raises:
        DataError: There is no input, or nothing in it to read.
    """
    if is_hub(input):
        return [Piece(str(input))]
    pieces: list[Piece] = []
    for path in data_files(input):
        parts: Sequence[tuple[int, int] | None] = [None]
        if path.suffix == ".jsonl":
            parts = _lines(path)
        elif path.suffix == ".parquet":
            parts = _row_groups(path)
        pieces += [Piece(str(path), part) for part in parts]
    return pieces


def read_piece(piece: Piece, parse: Parse) -> Iterator[Read]:
    """Yield a piece's rows, `ROWS_AT_ONCE` at a time.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    refused: list[Rejected] = []
    lines = 0

    def places() -> Iterator[tuple[str, int, Row]]:
        nonlocal lines
        if is_hub(piece.source):
            yield from read_hub(piece.source, "train")
            return
        rows = read_rows(Path(piece.source), refused, piece.part)
        while True:
            try:
                line, row = next(rows)
            except StopIteration as end:
                lines = end.value
                return
            yield piece.file, line, row

    left = places()
    while True:
        gatherer = Gatherer()
        try:
            count, bad = read_block(islice(left, ROWS_AT_ONCE), parse, gatherer)
        except WrongCall as error:  # whoever knows where the piece begins can name the line
            yield Read(gatherer.block(), refused, fault=error.row)
            return
        found, refused[:] = [*refused, *bad], []
        yield Read(gatherer.block(), found, lines if count < ROWS_AT_ONCE else 0)
        if count < ROWS_AT_ONCE:
            return


def read_block(rows: Iterator[tuple[str, int, Row]], parse: Parse, gatherer: Gatherer) -> tuple[int, list[Rejected]]:
    """Read (file, line, row) into a gatherer; return how many there were and those that `parse` refused."""
    refused, count = [], 0
    for file, line, row in rows:
        count += 1
        try:
            gatherer.extend(parse(file, line, row))
        except ScaleUnknown as error:
            raise WrongCall(Rejected(file, line, str(error))) from error
        except DataError as error:
            refused.append(Rejected(file, line, str(error)))
    return count, refused


class Offsets:
    """Turn lines counted from where a piece begins into lines of its file."""

    def __init__(self) -> None:
        self.file, self.lines = "", 0

    def place(self, piece: Piece, read: Read) -> Read:
        """Return what was read with lines of its file; pieces and their rows must come in order.

        Raises:
            DataError: A rating needs a scale that nobody stated.
        """
        if piece.source != self.file:
            self.file, self.lines = piece.source, 0
        moved = read.moved(self.lines)
        self.lines += read.lines
        if moved.fault is not None:
            raise WrongCall(moved.fault)
        return moved


def _lines(path: Path) -> list[tuple[int, int]]:
    """Cut a file into parts of about `PIECE_BYTES`, each from the beginning of a line."""
    parts, start, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            file.seek(min(start + PIECE_BYTES, size) - 1)
            file.readline()
            parts.append((start, file.tell()))
            start = file.tell()
    return parts


def _row_groups(path: Path) -> list[tuple[int, int]]:
    try:
        told = pq.ParquetFile(path).metadata
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is not readable Parquet ({error}); download it again") from error
    parts, first, held = [], 0, 0
    for group in range(told.num_row_groups):
        held += told.row_group(group).total_byte_size
        if held >= PIECE_BYTES or group == told.num_row_groups - 1:
            parts.append((first, group + 1))
            first, held = group + 1, 0
    return parts
