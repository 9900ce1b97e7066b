"""Turn the columns of a table into Arrow rows, one per candidate, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.data.signals import SIGNALS, signal_code
from gmt.data.table_columns import SPLITS, TableColumns
from gmt.errors import DataError

SCHEMA = pa.schema(
    [
        ("comparison", pa.int64()),
        ("user", pa.string()),
        ("conversation", pa.string()),
        ("turn", pa.int32()),
        ("question", pa.string()),
        ("task", pa.string()),
        ("query", pa.string()),
        ("model", pa.string()),
        ("response", pa.string()),
        ("rating", pa.float64()),
        ("feedback", pa.string()),
        ("cost", pa.float64()),
        ("timestamp", pa.float64()),
        ("split", pa.string()),
        ("signal", pa.string()),
    ]
)
ADDED_LATER = ("signal",)
"""Columns that tables written by earlier versions lack."""


IN_MEMORY = pa.schema(
    [field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field for field in SCHEMA]
)
"""The same with 64-bit offsets: a column of a whole table may hold more than the 2 GiB that `string` can."""
TEXT_BYTES = 1 << 30
"""Bytes of one text column that are written at once; Arrow arrays of `string` end at 2 GiB."""


def arrow_of(table: TableColumns, first: int, last: int) -> pa.Table:
    """Return one Arrow row per candidate of the comparisons `first` up to `last`."""
    rows = slice(int(table.start[first]), int(table.start[last]))
    of = table.row_comparison[rows]
    columns = {
        "comparison": pa.array(table.comparison[of], pa.int64()),
        "user": _names(table.users, table.user[of]),
        "conversation": _names(table.conversations, table.conversation[of]),
        "turn": pa.array(table.turn[of], pa.int32()),
        "question": _names(table.questions, table.question[of]),
        "task": _names(table.tasks, table.task[of]),
        "query": _names(table.texts, table.query[of]),
        "model": _names(table.models, table.model[rows]),
        "response": _names(table.texts, table.response[rows]),
        "rating": _numbers(table.rating[rows]),
        "feedback": _names(table.texts, table.feedback[rows]),
        "cost": _numbers(table.cost[rows]),
        "timestamp": _numbers(table.timestamp[of]),
        "split": _names(SPLITS, table.split[of].astype(np.int64)),
        "signal": _names(SIGNALS, table.signal[rows]),
    }
    return pa.table(columns, schema=SCHEMA)


def arrow_parts(table: TableColumns, count: int) -> Iterator[pa.Table]:
    """Yield a table as Arrow, `count` comparisons at a time, fewer where their texts are very long."""
    # A stack with the first part on top: halves go back on it, and rows keep their order.
    waiting = [(first, min(first + count, len(table))) for first in range(0, max(len(table), 1), count)][::-1]
    while waiting:
        first, last = waiting.pop()
        if last - first > 1 and _text_bytes(table, first, last) > TEXT_BYTES:
            middle = (first + last) // 2
            waiting += [(middle, last), (first, middle)]
        else:
            yield arrow_of(table, first, last)


def _text_bytes(table: TableColumns, first: int, last: int) -> int:
    """Return how long the longest text column of these comparisons is, in bytes."""
    rows = slice(int(table.start[first]), int(table.start[last]))
    of = table.row_comparison[rows]
    return max(_bytes_of(table.texts, codes) for codes in (table.query[of], table.response[rows], table.feedback[rows]))


def _bytes_of(texts: Sequence[str], codes: np.ndarray) -> int:
    used, count = np.unique(codes[codes >= 0], return_counts=True)
    total = 0
    for code, times in zip(used.tolist(), count.tolist(), strict=True):
        text = str(texts[code])
        # An ASCII text has as many bytes as characters, known without encoding it.
        total += times * (len(text) if text.isascii() else len(text.encode("utf-8")))
    return total


def columns_of(rows: pa.Table, models: Sequence[str]) -> dict[str, Any]:
    """Return vocabularies and columns, under the names of `TableColumns`, of rows in any order.

    Args:
        rows: R rows with the columns of `SCHEMA`.
        models: Names that take the first model codes, in this order.

    Raises:
        DataError: A column is missing, a split is unknown, or rows of one comparison disagree on what they share.
    """
    for name in ADDED_LATER:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), SCHEMA.field(name).type))
    missing = [name for name in SCHEMA.names if name not in rows.column_names]
    if missing:
        raise DataError(f"the table lacks the columns {', '.join(missing)}; write it with gmt prep")
    # Before chunks are joined, for texts of a whole table may pass what `string` can hold.
    rows = rows.select(SCHEMA.names).cast(IN_MEMORY)
    # 1. Rows of a comparison lie side by side, in the order they were shown.
    empty = [name for name in ("comparison", "turn") if rows[name].null_count]
    if empty:
        raise DataError(f"the column {empty[0]} has rows without a number; write the table with gmt prep")
    ids = rows["comparison"].to_numpy()
    order = np.argsort(ids, kind="stable")
    if (order != np.arange(len(order))).any():
        rows, ids = rows.take(pa.array(order)), ids[order]
    first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.zeros(0, np.int64)
    start = np.concatenate([first, [len(ids)]]).astype(np.int64)
    # 2. Names become codes by first appearance; all texts share one vocabulary, models begin with those given.
    vocabularies: dict[str, tuple[str, ...]] = {}
    shared: dict[str, np.ndarray] = {}
    for name in ("user", "conversation", "question", "task"):
        vocabularies[f"{name}s"], shared[name] = _codes(rows[name])
    # In front, so that they take the first codes, also those that no row names.
    given = pa.array(list(models), pa.large_string())
    vocabularies["models"], model = _codes(pa.chunked_array([given, *rows["model"].chunks]))
    chunks = [*rows["query"].chunks, *rows["response"].chunks, *rows["feedback"].chunks]
    vocabularies["texts"], text = _codes(pa.chunked_array(chunks, pa.large_string()))
    shared["query"], response, feedback = np.split(text, [len(ids), 2 * len(ids)])
    shared["turn"] = rows["turn"].to_numpy().astype(np.int64)
    shared["split"] = _split_codes(rows["split"])
    # 3. What belongs to the comparison is written in each of its rows, and must be the same in all.
    _check_shared(shared, ids, first, start)
    return {
        **vocabularies,
        **{name: column[first] for name, column in shared.items()},
        "comparison": ids[first],
        "timestamp": _floats(rows["timestamp"])[first],
        "start": start,
        "model": model[len(models) :],
        "response": response,
        "feedback": feedback,
        "rating": _floats(rows["rating"]),
        "cost": _floats(rows["cost"]),
        "signal": _signal_codes(rows["signal"]),
    }


def _names(vocabulary: Sequence[str], codes: np.ndarray) -> pa.Array:
    # Each distinct name crosses into Arrow once, however often it is used.
    used, place = np.unique(codes, return_inverse=True)
    values = pa.array([vocabulary[code] if code >= 0 else None for code in used.tolist()], pa.string())
    return values.take(pa.array(place.reshape(-1)))


def _numbers(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(float), mask=np.isnan(values))


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    encoded = pa.compute.dictionary_encode(column.combine_chunks())  # pyright: ignore[reportAttributeAccessIssue]
    values = tuple(encoded.dictionary.to_pylist())
    return values, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.combine_chunks().fill_null(math.nan).to_numpy(zero_copy_only=False).astype(float)


def _split_codes(column: pa.ChunkedArray) -> np.ndarray:
    names, codes = _codes(column)
    known = {name: code for code, name in enumerate(SPLITS)}
    unknown = [name for name in names if name not in known]
    if unknown or (codes < 0).any():
        raise DataError(f"split is {unknown[0] if unknown else None!r}; expected one of {', '.join(SPLITS)}")
    # A table without rows still needs an array that can be indexed.
    return np.array([known[name] for name in names] or [0], dtype=np.int8)[codes]


def _signal_codes(column: pa.ChunkedArray) -> np.ndarray:
    names, codes = _codes(column)
    # One more for those without: code -1 reads the last.
    return np.array([*map(signal_code, names), -1], np.int64)[codes]


def _check_shared(columns: Mapping[str, np.ndarray], ids: np.ndarray, first: np.ndarray, start: np.ndarray) -> None:
    of = np.repeat(np.arange(len(first)), np.diff(start))
    for name, column in columns.items():
        if (column != column[first][of]).any():
            at = int(np.flatnonzero(column != column[first][of])[0])
            raise DataError(f"rows of comparison {ids[at]} differ in {name}; rows of a comparison share it")
