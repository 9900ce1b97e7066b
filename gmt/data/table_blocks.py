"""Read the rows of a table larger than memory block by block: numbers are kept, texts go to a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmt.data.stored_texts import TextWriter
from gmt.data.table_arrow import (
    SCHEMA,
    NameCoder,
    check_columns,
    check_shared,
    numbers_of,
    signal_codes,
    split_codes,
    without_number,
)

TEXTS_IN_MEMORY = 256 << 20
"""Bytes of text in a Parquet file beyond which it is read in blocks."""
BLOCK_BYTES, MOST_ROWS = 16 << 20, 4096
"""Of a block: bytes of text, as far as their mean says, and rows."""
NAMES = ("user", "conversation", "question", "task", "model", "split", "signal")
TEXTS = ("query", "response", "feedback")
WHOLE, FRACTIONS = ("comparison", "turn"), ("rating", "cost", "timestamp")


def is_large(path: Path) -> bool:
    """Tell whether the texts of a Parquet file are too long to hold all of them."""
    return _text_bytes(pq.read_metadata(path)) > TEXTS_IN_MEMORY


def columns_in_blocks(path: Path, models: Sequence[str]) -> dict[str, Any] | None:
    """Return what `columns_of` returns, its texts on disk.

    Args:
        path: A Parquet file with the columns of `SCHEMA`.
        models: Names that take the first model codes, in this order.

    Returns:
        None where rows of a comparison do not lie side by side in the order of their numbers; no gmt writes such.

    Raises:
        DataError: As for `columns_of`.
    """
    # 1. Row by row, with pages and not whole columns in memory; only what is distinct in a block becomes Python's.
    writer, coders = TextWriter(path.parent), {name: NameCoder(models if name == "model" else ()) for name in NAMES}
    parts: dict[str, list[np.ndarray]] = {
        name: [np.zeros(0, float if name in FRACTIONS else np.int64)] for name in SCHEMA.names
    }
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        check_columns(file.schema_arrow.names)
        # Tables of earlier versions lack columns that were added later.
        held = [name for name in SCHEMA.names if name in file.schema_arrow.names]
        rows = BLOCK_BYTES * file.metadata.num_rows // max(_text_bytes(file.metadata), 1)
        for block in file.iter_batches(min(max(rows, 1), MOST_ROWS), columns=held, use_threads=False):
            for name in SCHEMA.names:
                if name not in held:
                    parts[name].append(np.full(len(block), -1, np.int64))
                    continue
                column = block.column(name)
                if name in (*WHOLE, *FRACTIONS):
                    parts[name].append(_numbers(name, column))
                else:
                    parts[name].append(_codes(column, writer.code if name in TEXTS else coders[name].code))
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    ids = columns.pop("comparison")
    if (ids[1:] < ids[:-1]).any():
        return None
    first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.zeros(0, np.int64)
    start = np.concatenate([first, [len(ids)]]).astype(np.int64)
    # 2. Texts are numbered as a table in memory numbers them: queries, then responses, then feedback.
    order, texts = _ordered([columns.pop(name) for name in TEXTS])
    query, response, feedback = texts
    shared = {name: columns[name] for name in ("user", "conversation", "turn", "question", "task")}
    shared |= {"query": query, "split": split_codes(coders["split"].names, columns["split"])}
    check_shared(shared, ids, first, start)
    return {
        "users": coders["user"].names,
        **{f"{name}s": coders[name].names for name in ("conversation", "question", "task", "model")},
        "texts": writer.finished(order),
        **{name: column[first] for name, column in shared.items()},
        "comparison": ids[first],
        "timestamp": columns["timestamp"][first],
        "start": start,
        **{name: columns[name] for name in ("model", "rating", "cost")},
        "response": response,
        "feedback": feedback,
        "signal": signal_codes(coders["signal"].names, columns["signal"]),
    }


def _text_bytes(metadata: Any) -> int:
    """Return how many bytes the texts of a Parquet file have before they are compressed."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema in TEXTS)


def _codes(column: pa.Array, code_of: Any) -> np.ndarray:
    """Return (N,) codes of a block's column of names or texts."""
    encoded: Any = column.dictionary_encode()
    distinct = np.array([code_of(value) for value in encoded.dictionary.to_pylist()] + [-1], np.int64)
    # The last of them stands for what is missing.
    return distinct[numbers_of(encoded.indices, len(distinct) - 1)]


def _numbers(name: str, column: pa.Array) -> np.ndarray:
    """Return (N,) numbers of a block's column, NaN where one of fractions is missing."""
    found: Any = column
    if name in WHOLE:
        if found.null_count:
            raise without_number(name)
        return numbers_of(found).astype(np.int64)
    return numbers_of(found.cast(pa.float64()))


def _ordered(columns: Iterable[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return (T,) old codes in the order of first appearance over the columns, and the columns with new codes."""
    columns = list(columns)
    every = np.concatenate(columns)
    values, first = np.unique(every, return_index=True)
    order = values[np.argsort(first)]
    order = order[order >= 0]
    place = np.full(int(order.max(initial=-1)) + 2, -1, np.int64)
    place[order] = np.arange(len(order))
    return order, [place[column] for column in columns]
