"""Parse pieces on Ray Data: rows are parsed and texts encoded where they are, numbers come here.

What a text says stays in Ray's object store, which spills to disk; this process holds about 200 bytes a
comparison and as much for the name of a distinct text, and streams texts and vectors into the data folder. The
folder is the one that the local engine writes.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.read.dialect import Dialect
from data_prep.read.parallel import ParsedStream, ParsePiece
from data_prep.read.parsing import ParsedRows
from data_prep.read.pieces import Piece
from data_prep.read.ray_texts import DistantTexts
from data_prep.read.row_files import is_hub
from gmt.data.store import key_of
from gmt.errors import DataError


class OnRay:
    """Parse pieces on Ray; the blocks that come back hold keys of texts, as in an `EmbeddingStore`.

    Args:
        workers: Processes of a Ray that is started here; a running one (`RAY_ADDRESS`) has its own.

    Raises:
        DataError: Ray is not installed or does not answer.
    """

    hand_over = False

    def __init__(self, workers: int) -> None:
        self.ray, self.workers = _connect(workers), workers
        self.distant: DistantTexts | None = None

    def map(self, parse: ParsePiece, pieces: Iterable[Piece], known: Mapping[str, int]) -> ParsedStream:
        rows = [
            {"piece": number, "source": _anywhere(piece.source), "part": piece.part, "split": piece.split}
            | {"dialect": json.dumps(asdict(piece.dialect))}
            for number, piece in enumerate(pieces)
        ]
        if not rows:
            return
        blocks = self.ray.data.from_items(rows, override_num_blocks=len(rows))
        # Materialised, since blocks are read twice: their numbers now, their texts when they are encoded.
        blocks = blocks.flat_map(partial(_parse_row, parse=parse)).materialize()
        fresh = {}
        for row in blocks.select_columns(["piece", "at", "found", "problem"]).iter_rows():
            if row["problem"] is not None:
                raise DataError(row["problem"])
            found: ParsedRows = pickle.loads(row["found"])
            # Each text is fetched later from the block that has it first; codes count on in the order of the block.
            keys, count = found.rows.texts.to_pylist(), len(known)
            new = [place for place, key in enumerate(keys) if key not in known]
            fresh[row["piece"], row["at"]] = np.asarray(new, np.int64), np.arange(count, count + len(new))
            yield found
        self.distant = DistantTexts(blocks.select_columns(["piece", "at", "texts"]), fresh, known, self.workers)

    def text_id(self, text: str) -> str:
        return text[:16]  # a key and a `text_id` both begin the SHA-256 of the text


@contextmanager
def session(workers: int) -> Iterator[None]:
    """Connect to Ray, and leave a Ray that was started here or connected to here at the end.

    Args:
        workers: As in `OnRay`.

    Raises:
        DataError: Ray is not installed or does not answer.
    """
    ray = _imported()
    mine = not ray.is_initialized()
    try:
        _connect(workers)
        yield
    finally:
        if mine:
            ray.shutdown()


def _imported() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DataError(f"--engine ray needs Ray ({error}); run pip install 'gmt-router[ray]'") from error
    return ray


def _connect(workers: int) -> Any:
    """Return Ray, connected to the one at `RAY_ADDRESS` or started here."""
    ray = _imported()
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        here = "RAY_ADDRESS" not in os.environ
        # One processor more than workers: else encoders would hold all of them, and nothing bring them texts.
        options = {"address": "local", "num_cpus": workers + 1, "include_dashboard": False} if here else {}
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # Ray raises many types for one cause: it cannot be reached
            found = " ".join(str(error).split())[:200]
            raise DataError(
                f"Ray does not answer ({found}); check RAY_ADDRESS, or unset it to start one here"
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # codes count by first appearance, as in the local engine
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _anywhere(source: str) -> str:
    """Return a name that means the same in another process."""
    return source if is_hub(source) else os.path.abspath(source)


def _parse_row(row: dict[str, Any], parse: ParsePiece) -> Iterator[dict[str, Any]]:
    """Parse a piece; its texts go apart from its numbers, which know them by key."""
    part = row["part"]
    where, dialect = None if part is None else (int(part[0]), int(part[1])), Dialect(**json.loads(row["dialect"]))
    piece = Piece(row["source"], where, row["split"], dialect=dialect)
    none = {"piece": row["piece"], "at": -1, "found": None, "texts": [], "problem": None}
    try:
        for at, found in enumerate(parse(piece)):
            texts = found.rows.texts.to_pylist()
            keys = pa.array([key_of(text) for text in texts], pa.large_string())
            light = replace(found, rows=replace(found.rows, texts=keys))
            yield none | {"at": at, "found": pickle.dumps(light), "texts": texts}
    except DataError as error:
        # As data, for Ray would wrap an exception in a type of its own.
        yield none | {"problem": str(error)}
