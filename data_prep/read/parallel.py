"""Turn an input into comparisons held as numbers, in this process, in several, or on Ray, in the order of its files."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from data_prep.read.gather import Gatherer
from data_prep.read.pieces import ROWS_AT_ONCE, Offsets, Parse, Piece, Read, cut, read_block, read_piece
from data_prep.read.row_files import Row, read_input
from data_prep.sources.registry import Rejected, SourceOptions

WAITING = 2  # blocks that each worker may be behind
Place = tuple[str, int, Row]
"""File name, line and cells of a row."""


def gather(
    input: str | Path | None, parse: Parse, gatherer: Gatherer, rejected: list[Rejected], options: SourceOptions
) -> Gatherer:
    """Read an input into a gatherer; what is held at any time are codes, distinct texts and a few blocks of rows.

    Args:
        input: File, folder or `hub:<dataset id>`.
        parse: Reads what one row says.
        gatherer: Receives the rows.
        rejected: Receives the rows that cannot be read or that `parse` refuses.
        options: `workers` processes read, 1 for this one; `engine` says whether on Ray.

    Raises:
        DataError: The input as a whole cannot be read, or a rating needs a scale that nobody stated.
    """
    if options.engine == "ray":
        from data_prep.read.on_ray import gather_on_ray

        return gather_on_ray(cut(input), parse, gatherer, rejected, options.workers)
    if options.workers == 1:
        rejected += read_block(read_input(input, rejected), parse, gatherer)[1]
        return gatherer
    for read in _by_workers(input, parse, rejected, options.workers):
        gatherer.merge(read.block)
        rejected += read.rejected
    return gatherer


def in_file_order(rejected: list[Rejected]) -> list[Rejected]:
    """Return the rows by file, as first named, and line."""
    files = {one.file: number for number, one in reversed(list(enumerate(rejected)))}
    return sorted(rejected, key=lambda one: (files[one.file], one.line))


def _by_workers(input: str | Path | None, parse: Parse, rejected: list[Rejected], workers: int) -> Iterator[Read]:
    """Yield what several processes read, in order: pieces of an input that is cut, else rows handed over to them."""
    pieces, offsets = cut(input), Offsets()
    work: Iterator[tuple[Piece, Piece | list[Place]]]
    if len(pieces) > 1 and all(piece.part is not None for piece in pieces):
        work = ((piece, piece) for piece in pieces)
    else:  # lines of rows handed over are those of their file already, so any piece places them
        work = ((pieces[0], rows) for rows in _handed_over(read_input(input, rejected)))
    waiting: deque[tuple[Piece, Future[list[Read]]]] = deque()

    def come(left: int) -> Iterator[Read]:
        while len(waiting) > left:
            piece, made = waiting.popleft()
            yield from (offsets.place(piece, read) for read in made.result())

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (parse,)) as pool:
        for piece, part in work:
            waiting.append((piece, pool.submit(_read, part)))
            yield from come(WAITING * workers)
        yield from come(0)


def _handed_over(rows: Iterator[Place]) -> Iterator[list[Place]]:
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield part


_parser: list[Parse] = []
"""What this worker reads rows with; set once, when it starts."""


def _begin(parse: Parse) -> None:
    _parser.append(parse)


def _read(part: Piece | list[Place]) -> list[Read]:
    if isinstance(part, Piece):
        return list(read_piece(part, _parser[-1]))
    gatherer = Gatherer()
    _, refused = read_block(iter(part), _parser[-1], gatherer)
    return [Read(gatherer.block(), refused)]
