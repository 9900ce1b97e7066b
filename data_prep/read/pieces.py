"""Cut an input into pieces that processes and machines read apart, and read the rows of a piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.read.dialect import PLAIN, Dialect
from data_prep.read.file_formats import open_parquet, read_rows
from data_prep.read.row import NumberedRow, Rejected
from data_prep.read.row_files import HUB, data_files, is_hub, read_hub

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
        dialect: How the file is written where its name does not say so.
    """

    source: str
    part: tuple[int, int] | None = None
    split: str = "train"
    rows: Sequence[NumberedRow] | None = None
    rejected: Sequence[Rejected] = ()
    dialect: Dialect = PLAIN

    @property
    def file(self) -> str:
        """The name that messages on its rows give."""
        return self.source.removeprefix(HUB) if is_hub(self.source) else Path(self.source).name


def split_input(
    input: str | Path | None, hand_over: bool, split: str = "train", dialect: Dialect = PLAIN
) -> Iterator[Piece]:
    """Yield the pieces of a file, a folder or a hub dataset, in order.

    JSONL files are cut between lines and Parquet files between row groups. Files of other kinds are read whole, for
    only who reads a CSV file from its beginning knows which line breaks are quoted.

    Args:
        input: File, folder or `hub:<dataset id>`.
        hand_over: Read here what is not cut, and hand over its rows; else it is one piece.
        split: Split of a hub dataset to read where it has several.
        dialect: How files are written where their names do not say so.

    Raises:
        DataError: There is no input, or nothing in it to read.
    """
    for source in [str(input)] if is_hub(input) else map(str, data_files(input, dialect)):
        path = Path(source)
        kind, whole = dialect.format_of(path), Piece(source, split=split, dialect=dialect)
        if is_hub(source):
            yield from _handed_over(whole) if hand_over else [whole]
        # A JSON text has no line break inside (it is escaped), so any line break is the end of a row.
        elif kind == "jsonl" and dialect.in_parts(path):
            yield from (replace(whole, part=part) for part in _line_parts(path))
        elif kind == "parquet":
            yield from (replace(whole, part=part) for part in _row_group_parts(path))
        else:
            yield from _handed_over(whole) if hand_over else [whole]


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
        # Emptied in place: the reader keeps appending to this very list.
        refused, self._refused[:] = list(self._refused), []
        return refused

    def _rows_of_file(self) -> Any:
        piece = self.piece
        rows = read_rows(Path(piece.source), self._refused, piece.part, piece.dialect)
        while True:
            try:
                line, row = next(rows)
            except StopIteration as end:
                return end.value  # a generator's return value: how many lines it read
            yield piece.file, line, row


def _handed_over(piece: Piece) -> Iterator[Piece]:
    """Read a piece and yield its rows as pieces; their lines are those of the file already."""
    reader = PieceReader(piece)
    rows = iter(reader)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield replace(piece, rows=some, rejected=reader.taken())
    # Bad rows behind the last good one have no piece to travel with.
    if refused := reader.taken():
        yield replace(piece, rows=(), rejected=refused)


def _line_parts(path: Path) -> list[tuple[int, int]]:
    """Cut a file into parts of about `PIECE_BYTES`, each from the beginning of a line."""
    parts, start, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while start < size:
            # One byte before the cut: where the cut falls on the beginning of a line, that line is not skipped.
            file.seek(min(start + PIECE_BYTES, size) - 1)
            file.readline()
            parts.append((start, file.tell()))
            start = file.tell()
    return parts


def _row_group_parts(path: Path) -> list[tuple[int, int]]:
    """Cut a file into runs of row groups of about `PIECE_BYTES`."""
    metadata = open_parquet(path).metadata
    parts, first, held = [], 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        # The last group closes a run however small it is.
        if held >= PIECE_BYTES or group == metadata.num_row_groups - 1:
            parts.append((first, group + 1))
            first, held = group + 1, 0
    return parts
