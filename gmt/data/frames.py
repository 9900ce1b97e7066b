"""Turn tables of pandas, Arrow, `datasets` and others into Arrow rows, and an interaction table into theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gmt.data.comparisons import LAST_TURN
from gmt.data.table_arrow import IN_MEMORY, SCHEMA, numbers_of
from gmt.errors import DataError

if TYPE_CHECKING:
    import datasets
    import pandas

NEEDED = ("comparison", "user", "conversation", "turn", "question", "query", "model")
"""Columns that a table must have, with a value in every row; the others may be missing."""
NAMES = ("user", "conversation", "model")
"""Columns of which a blank value names nobody."""
NUMBERS = ("rating", "cost", "timestamp")
OTHER = "votes in other columns are read by gmt.read_rounds"


def arrow_table(value: Any) -> pa.Table | None:
    """Return any kind of table as an Arrow table; None where the value is no table.

    Args:
        value: A pandas or polars data frame, an Arrow table or batch, a `datasets.Dataset`, or anything else that
            speaks the Arrow PyCapsule interface.

    Raises:
        DataError: It is a table that cannot be read as rows.
    """
    kind, library = type(value).__name__, type(value).__module__.partition(".")[0]
    # By name, for a library that made the value is loaded already, and the others should not be.
    if library == "datasets":
        if not hasattr(value, "with_format") or isinstance(value, Mapping):
            known = ", ".join(map(repr, value)) if isinstance(value, Mapping) else "none"
            raise DataError(f"a table is wanted and {kind} has splits ({known}); hand over one, e.g. data['train']")
        if not hasattr(value, "__len__"):
            raise DataError(f"a table is wanted and {kind} streams; hand over one in memory, e.g. Dataset.from_list(…)")
        return value.with_format("arrow")[:]
    try:
        if library == "pandas" and kind == "DataFrame":
            # Row labels say nothing of a vote, whatever they are.
            return pa.Table.from_pandas(value, preserve_index=False)
        if isinstance(value, pa.Table):
            return value
        if isinstance(value, pa.RecordBatch):
            return pa.Table.from_batches([value])
        if library != "pandas" and hasattr(value, "__arrow_c_stream__"):
            return pa.table(value)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"the {kind} cannot be read as columns ({_reason(error)}); give every column one type"
        ) from error
    return None


def dict_rows(rows: pa.Table) -> list[dict[str, Any]]:
    """Return Arrow rows as dictionaries without the cells that are missing."""
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows.to_pylist()]


def table_rows(value: Any) -> pa.Table:
    """Return the rows of a table that has the columns of an interaction table, checked, in the types of these.

    Columns that may be missing, and are, say nothing; without `split`, all is for training.

    Raises:
        DataError: It is no table, or a column is missing or holds what it cannot.
    """
    rows = arrow_table(value)
    if rows is None:
        raise DataError(f"{type(value).__name__} is no table; expected one of pandas, Arrow or datasets")
    missing = [name for name in NEEDED if name not in rows.column_names]
    if missing:
        raise DataError(f"the table lacks the columns {', '.join(missing)}; expected those of to_pandas(); {OTHER}")
    if "split" not in rows.column_names:
        rows = rows.append_column("split", pa.array(["train"] * len(rows), pa.string()))
    given = set(rows.column_names)
    if len(given) < len(rows.column_names):
        raise DataError(f"the table has a column twice ({', '.join(rows.column_names)}); keep one of each")
    columns = {
        field.name: _cast(rows[field.name], field)
        if field.name in given
        else pa.chunked_array([pa.nulls(len(rows), field.type)])
        for field in IN_MEMORY
    }
    for name in (*NEEDED, "split"):
        _check_filled(name, columns[name])
    for name in ("turn", *NUMBERS):
        _check_numbers(name, columns[name])
    return pa.table(columns, schema=IN_MEMORY)


def to_pandas(rows: pa.Table) -> pandas.DataFrame:
    """Return Arrow rows as a data frame."""
    return rows.to_pandas()


def to_dataset(rows: pa.Table) -> datasets.Dataset:
    """Return Arrow rows as a `datasets.Dataset` in memory."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable(rows))


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Return a column in the type that the interaction table has."""
    kind = column.type
    try:
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if pa.types.is_timestamp(kind) and field.name == "timestamp":
            # Arrow counts from the epoch in UTC, also where a zone is named.
            whole = column.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64())
            return pa.chunked_array([pa.array(numbers_of(part) / 1e9, from_pandas=True) for part in _floats(whole)])
        return column.cast(field.type)
    except (pa.ArrowException, ValueError) as error:
        wanted = SCHEMA.field(field.name).type
        raise DataError(
            f"the column {field.name} is no {wanted} ({_reason(error)}); mend or leave out what it holds"
        ) from error


def _floats(column: pa.ChunkedArray) -> list[pa.Array]:
    return column.cast(pa.float64(), safe=False).chunks


def _check_filled(name: str, column: pa.ChunkedArray) -> None:
    values = column.to_pylist() if name in NAMES else None
    at = next((row for row, value in enumerate(values) if value is None or not value.strip()), None) if values else None
    if at is None and column.null_count:
        at = column.is_null().to_pylist().index(True)
    if at is not None:
        raise DataError(f"the column {name} is empty in row {at}, counted from 0; expected a value in every row")


def _check_numbers(name: str, column: pa.ChunkedArray) -> None:
    values = numbers_of(column.combine_chunks()).astype(float)
    # NaN stands for a missing number; infinities and turns before the first are mistakes.
    wrong = np.isinf(values) if name != "turn" else (values < 0) | (values > LAST_TURN)
    if wrong.any():
        at = int(np.argmax(wrong))
        wanted = "a whole number from 0" if name == "turn" else "a finite number, or none"
        raise DataError(f"the column {name} is {values[at]:g} in row {at}, counted from 0; expected {wanted}")


def _reason(error: Exception) -> str:
    # Errors of Arrow have several parts, and lines.
    return " ".join("; ".join(map(str, error.args)).split())[:120]
