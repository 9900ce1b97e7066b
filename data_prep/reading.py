"""Turn rows into blocks of numbers, in this process or in several, in the order of the file."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice

from data_prep.answers import Answers
from data_prep.fields import ScaleUnknown
from data_prep.gather import Block, Gatherer
from data_prep.rows import Row
from data_prep.sources import Rejected
from gmt.errors import DataError

Place = tuple[str, int, Row]
"""File name, line and cells of a row."""
Parse = Callable[[str, int, Row], Answers]
"""Reads one row; it must be picklable where several processes read."""

ROWS_AT_ONCE = 4000
WAITING = 2  # blocks that each worker may be behind


def gather(
    rows: Iterable[Place], parse: Parse, gatherer: Gatherer, rejected: list[Rejected], workers: int = 1
) -> Gatherer:
    """Read rows into a gatherer; what is held at any time are codes, distinct texts and a few blocks of rows.

    Args:
        rows: The rows, in order.
        parse: Reads one.
        gatherer: Receives them.
        rejected: Receives the rows that `parse` refuses.
        workers: Processes; 1 reads in this one.

    Raises:
        DataError: A rating needs a scale that nobody stated.
    """
    if workers == 1:
        rejected += read_block(rows, parse, gatherer)
        return gatherer
    for block, refused in parsed(_cut(rows), parse, workers):
        gatherer.merge(block)
        rejected += refused
    return gatherer


def read_block(rows: Iterable[Place], parse: Parse, gatherer: Gatherer) -> list[Rejected]:
    """Read rows into a gatherer and return those that `parse` refused."""
    refused = []
    for file, line, row in rows:
        try:
            gatherer.add(parse(file, line, row))
        except ScaleUnknown as error:
            raise DataError(f"{file} line {line}: {error}") from error
        except DataError as error:
            refused.append(Rejected(file, line, str(error)))
    return refused


def parsed(parts: Iterable[list[Place]], parse: Parse, workers: int) -> Iterator[tuple[Block, list[Rejected]]]:
    """Yield the blocks of lists of rows, in order, read by several processes."""
    waiting: deque[Future[tuple[Block, list[Rejected]]]] = deque()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (parse,)) as pool:
        for part in parts:
            waiting.append(pool.submit(_parse_part, part))
            if len(waiting) > WAITING * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def in_file_order(rejected: list[Rejected]) -> list[Rejected]:
    """Return the rows by file, as first named, and line."""
    files = {one.file: number for number, one in reversed(list(enumerate(rejected)))}
    return sorted(rejected, key=lambda one: (files[one.file], one.line))


def _cut(rows: Iterable[Place]) -> Iterator[list[Place]]:
    left = iter(rows)
    while part := list(islice(left, ROWS_AT_ONCE)):
        yield part


_parser: list[Parse] = []
"""What this worker reads rows with; set once, when it starts."""


def _begin(parse: Parse) -> None:
    _parser.append(parse)


def _parse_part(rows: list[Place]) -> tuple[Block, list[Rejected]]:
    gatherer = Gatherer()
    refused = read_block(rows, _parser[-1], gatherer)
    return gatherer.block(), refused
