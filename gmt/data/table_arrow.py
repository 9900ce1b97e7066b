"""Turn the columns of a table into Arrow rows, one per candidate, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.data.signals import SIGNALS, signal_code
from gmt.data.stored_texts import bytes_of
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
TEXT_BYTES = 1 << 24
"""Bytes of one text column that are written at once, for the table may be larger than memory."""


class NameCoder:
    """Give names codes by first appearance.

    Args:
        first: Names that take the first codes.
    """

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._codes = {name: code for code, name in enumerate(first)}

    def code(self, name: str | None) -> int:
        """Return the code of a name, -1 for none."""
        return -1 if name is None else self._codes.setdefault(name, len(self._codes))

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the order of their codes."""
        return tuple(self._codes)


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
    return max(bytes_of(table.texts, codes) for codes in (table.query[of], table.response[rows], table.feedback[rows]))


def columns_of(rows: pa.Table, models: Sequence[str]) -> dict[str, Any]:
    """Return vocabularies and columns, under the names of `TableColumns`, of rows in any order.

    Args:
        rows: R rows with the columns of `SCHEMA`.
        models: Names that take the first model codes, in this order.

    Raises:
        DataError: A column is missing, a split is unknown, or rows of one comparison disagree on what they share.
    """
    check_columns(rows.column_names)
    for name in ADDED_LATER:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), SCHEMA.field(name).type))
    # Before chunks are joined, for texts of a whole table may pass what `string` can hold.
    rows = rows.select(SCHEMA.names).cast(IN_MEMORY)
    # 1. Rows of a comparison lie side by side, in the order they were shown.
    empty = [name for name in ("comparison", "turn") if rows[name].null_count]
    if empty:
        raise without_number(empty[0])
    ids = numbers_of(rows["comparison"].combine_chunks())
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
    # Those given take the first codes, also those that no row names.
    names, model = _codes(rows["model"])
    coder = NameCoder(models)
    model = np.array([coder.code(name) for name in names] or [0], np.int64)[model]
    vocabularies["models"] = coder.names
    chunks = [*rows["query"].chunks, *rows["response"].chunks, *rows["feedback"].chunks]
    vocabularies["texts"], text = _codes(pa.chunked_array(chunks, pa.large_string()))
    shared["query"], response, feedback = np.split(text, [len(ids), 2 * len(ids)])
    shared["turn"] = numbers_of(rows["turn"].combine_chunks()).astype(np.int64)
    shared["split"] = split_codes(*_codes(rows["split"]))
    # 3. What belongs to the comparison is written in each of its rows, and must be the same in all.
    check_shared(shared, ids, first, start)
    return {
        **vocabularies,
        **{name: column[first] for name, column in shared.items()},
        "comparison": ids[first],
        "timestamp": _floats(rows["timestamp"])[first],
        "start": start,
        "model": model,
        "response": response,
        "feedback": feedback,
        "rating": _floats(rows["rating"]),
        "cost": _floats(rows["cost"]),
        "signal": signal_codes(*_codes(rows["signal"])),
    }


def check_columns(names: Sequence[str]) -> None:
    """Refuse a table that lacks columns.

    Raises:
        DataError: It does; they are named.
    """
    missing = [name for name in SCHEMA.names if name not in (*names, *ADDED_LATER)]
    if missing:
        raise DataError(f"the table lacks the columns {', '.join(missing)}; write it with gmt prep")


def without_number(name: str) -> DataError:
    """Return what is said of a column that must hold a number in every row."""
    return DataError(f"the column {name} has rows without a number; write the table with gmt prep")


def _names(vocabulary: Sequence[str], codes: np.ndarray) -> pa.Array:
    # Each distinct name crosses into Arrow once, however often it is used.
    used, place = np.unique(codes, return_inverse=True)
    values = pa.array([vocabulary[code] if code >= 0 else None for code in used.tolist()], pa.string())
    return values.take(pa.array(place.reshape(-1)))


def _numbers(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(float), mask=np.isnan(values))


def numbers_of(column: pa.Array, missing: float = math.nan) -> np.ndarray:
    """Return a copy of a column of numbers, with a number for those that are missing.

    Its memory is read as it lies, for `to_numpy` and `fill_null` load pandas, which takes a third of a second.
    """
    validity, values = column.buffers()
    found = np.frombuffer(values if values is not None else b"", np.dtype(str(column.type)))
    found = found[column.offset : column.offset + len(column)].copy()
    if column.null_count and validity is not None:
        bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
        found[bits[column.offset : column.offset + len(column)] == 0] = missing
    return found


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    encoded = pa.compute.dictionary_encode(column.combine_chunks())  # pyright: ignore[reportAttributeAccessIssue]
    values = tuple(encoded.dictionary.to_pylist())
    return values, numbers_of(encoded.indices, -1).astype(np.int64)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return numbers_of(column.combine_chunks())


def split_codes(names: Sequence[str], codes: np.ndarray) -> np.ndarray:
    """Return (R,) split codes, given (R,) codes into the names of splits.

    Raises:
        DataError: A name is none of a split, or a row has none.
    """
    known = {name: code for code, name in enumerate(SPLITS)}
    unknown = [name for name in names if name not in known]
    if unknown or (codes < 0).any():
        raise DataError(f"split is {unknown[0] if unknown else None!r}; expected one of {', '.join(SPLITS)}")
    # A table without rows still needs an array that can be indexed.
    return np.array([known[name] for name in names] or [0], dtype=np.int8)[codes]


def signal_codes(names: Sequence[str], codes: np.ndarray) -> np.ndarray:
    """Return (R,) signal codes, -1 for none, given (R,) codes into the names of signals.

    Raises:
        DataError: A name is none of a signal.
    """
    # One more for those without: code -1 reads the last.
    return np.array([*map(signal_code, names), -1], np.int64)[codes]


def check_shared(columns: Mapping[str, np.ndarray], ids: np.ndarray, first: np.ndarray, start: np.ndarray) -> None:
    """Refuse rows of one comparison that differ in what they share.

    Args:
        columns: Name -> (R,) values of what they share.
        ids: (R,) comparisons.
        first: (C,) first row of each.
        start: (C + 1,) row offsets.

    Raises:
        DataError: Two rows differ; the first of them is named.
    """
    of = np.repeat(np.arange(len(first)), np.diff(start))
    for name, column in columns.items():
        if (column != column[first][of]).any():
            at = int(np.flatnonzero(column != column[first][of])[0])
            raise DataError(f"rows of comparison {ids[at]} differ in {name}; rows of a comparison share it")
