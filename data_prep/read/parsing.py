"""Parse the rows of a piece, a few thousand at a time, and name those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from data_prep.read import pieces
from data_prep.read.cells import OptionMissing
from data_prep.read.file_formats import one_line
from data_prep.read.pieces import Piece, PieceReader
from data_prep.read.row import NumberedRow, Parse, Rejected, WrongCall
from gmt.errors import DataError

MOST_SAID = 240
"""Characters of a message on a row; values of thousands of characters are not printed whole."""


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


def parse_piece(piece: Piece, parse: Parse[Any], pack: Callable[[list[Any]], Any] = list) -> Iterator[ParsedRows]:
    """Yield what a piece's rows say, `pieces.ROWS_AT_ONCE` at a time.

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
        some = list(islice(rows, pieces.ROWS_AT_ONCE))
        # A full batch may be the last too; then one more, empty, comes with the count of lines.
        last = len(some) < pieces.ROWS_AT_ONCE
        fault = None
        try:
            parsed, bad = parse_rows(some, parse)
        except WrongCall as error:  # whoever knows where the piece begins can name the line
            parsed, bad, fault = [], [], error.row
        found = [*refused, *reader.taken(), *bad]
        refused = []
        yield ParsedRows(piece.file, pack(parsed), found, reader.lines if last else 0, fault)
        # Nothing after a fault would be used: the whole call is refused.
        if last or fault is not None:
            return


def parse_rows(rows: Iterable[NumberedRow], parse: Parse[Any]) -> tuple[list[Any], list[Rejected]]:
    """Return what rows say, and those that `parse` refused.

    Raises:
        WrongCall: A row needs an option that nobody gave, such as the scale of its rating.
    """
    parsed: list[Any] = []
    refused: list[Rejected] = []
    for file, line, row in rows:
        try:
            parsed.extend(parse(file, line, row))
        except OptionMissing as error:
            # Not counted as a bad row: with the option missing, every row would be bad for the same reason.
            raise WrongCall(Rejected(file, line, one_line(error, MOST_SAID))) from error
        except DataError as error:
            refused.append(Rejected(file, line, one_line(error, MOST_SAID)))
    return parsed, refused


class LineOffsets:
    """Turn lines counted from where a piece begins into lines of its file."""

    def __init__(self) -> None:
        self.file, self.lines = "", 0

    def place(self, found: ParsedRows) -> ParsedRows:
        """Return what was parsed with lines of its file; pieces and their rows must come in order.

        Raises:
            WrongCall: A row needs an option that nobody gave, such as the scale of its rating.
        """
        if found.file != self.file:
            self.file, self.lines = found.file, 0
        # The count of a piece comes with its last rows, so pieces must come in order to know where each begins.
        before = self.lines
        self.lines += found.lines
        if found.fault is not None:
            raise WrongCall(replace(found.fault, line=found.fault.line + before))
        rejected = [replace(one, line=one.line + before) for one in found.rejected]
        return replace(found, rejected=rejected, before=before)
