"""Parse an input in this process, in several, or on Ray: who maps its pieces is all that differs."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data_prep.read.dialect import PLAIN, Dialect
from data_prep.read.parsing import LineOffsets, ParsedRows, parse_piece
from data_prep.read.pieces import Piece, split_input
from data_prep.read.row import Parse
from gmt.data.comparisons import text_id
from gmt.data.embed import WORKER_ENDED
from gmt.errors import DataError

if TYPE_CHECKING:
    from data_prep.read.ray_texts import DistantTexts

WAITING = 2  # pieces that each worker may be behind
ParsePiece = Callable[[Piece], Iterator[ParsedRows]]
ParsedStream = Generator[ParsedRows, None, None]


class Mapper(Protocol):
    """Parse pieces, wherever that is done.

    Attributes:
        hand_over: Whether rows of files that cannot be cut are read here and handed over.
        distant: Where the texts are, if what comes back holds only keys of them.
    """

    hand_over: bool

    @property
    def distant(self) -> DistantTexts | None: ...

    def map(self, parse: ParsePiece, pieces: Iterable[Piece], known: Mapping[str, int]) -> ParsedStream:
        """Yield what the pieces say, in order.

        Args:
            parse: Parses one piece.
            pieces: All of them.
            known: Text -> code of the texts in the blocks yielded so far; whoever merges the blocks fills it in
                before asking for the next one, and Ray looks up there which texts are new.

        Raises:
            DataError: A file as a whole cannot be read.
        """
        ...

    def text_id(self, text: str) -> str:
        """Return the `text_id` of a text, or of the text that a key stands for."""
        ...


class InThisProcess:
    """Parse one piece after the other, here."""

    hand_over, distant = False, None

    def map(self, parse: ParsePiece, pieces: Iterable[Piece], known: Mapping[str, int]) -> ParsedStream:
        for piece in pieces:
            yield from parse(piece)

    def text_id(self, text: str) -> str:
        return text_id(text)


class InProcesses:
    """Parse pieces in several processes of this machine.

    Args:
        workers: How many.
    """

    hand_over, distant = True, None

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, parse: ParsePiece, pieces: Iterable[Piece], known: Mapping[str, int]) -> ParsedStream:
        waiting: deque[Future[list[ParsedRows]]] = deque()
        # What parses may hold whole joined files, so each process gets it once and not with every piece.
        with ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"), _begin, (parse,)) as pool:
            try:
                for piece in pieces:
                    waiting.append(pool.submit(_parse, piece))
                    # The queue is bounded, or a fast reader would hold the whole input as pieces.
                    if len(waiting) > WAITING * self.workers:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            except BrokenProcessPool as error:
                raise DataError(WORKER_ENDED.format(workers=self.workers)) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # where somebody stops early

    def text_id(self, text: str) -> str:
        return text_id(text)


def parse_input(
    input: str | Path | None,
    parse: Parse[Any],
    mapper: Mapper | None = None,
    pack: Callable[[list[Any]], Any] = list,
    split: str = "train",
    known: Mapping[str, int] | None = None,
    dialect: Dialect = PLAIN,
) -> Iterator[ParsedRows]:
    """Yield what an input says, some thousand rows at a time, in the order of its files.

    Args:
        input: File, folder or `hub:<dataset id>`.
        parse: Reads what one row says.
        mapper: Who parses; this process where left out.
        pack: As in `parse_piece`.
        split: Split of a hub dataset to read where it has several.
        known: As in `Mapper.map`.
        dialect: How files are written where their names do not say so.

    Raises:
        DataError: The input as a whole cannot be read, or a rating needs a scale that nobody stated.
    """
    mapper, offsets = mapper or InThisProcess(), LineOffsets()
    pieces = split_input(input, mapper.hand_over, split, dialect)
    # Closed at once where a row stops the work: an error keeps its frames, and they would keep the processes.
    with closing(
        mapper.map(partial(parse_piece, parse=parse, pack=pack), pieces, {} if known is None else known)
    ) as parsed:
        for found in parsed:
            yield offsets.place(found)


# A module's variable and not an argument: a spawned process has no other place that outlives a task.
_parser: list[ParsePiece] = []
"""What this worker parses with; set once, when it starts."""


def _begin(parse: ParsePiece) -> None:
    _parser.append(parse)


def _parse(piece: Piece) -> list[ParsedRows]:
    return list(_parser[-1](piece))
