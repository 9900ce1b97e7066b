"""Read the rounds that somebody hands over in Python: rows, data frames, Arrow tables, or rounds already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gmt.data.comparisons import Comparison
from gmt.data.frames import arrow_table, dict_rows
from gmt.errors import DataError

ROWS = "rows with query and either model, rating or model_a, model_b, winner"


def read_rounds(given: Any, user: str | None = None) -> list[Comparison]:
    """Read votes and ratings in the form of `gmt prep jsonl`, from whatever holds them in memory.

    Args:
        given: A list of dictionaries, one dictionary, a dictionary of columns, a data frame of pandas or polars, an
            Arrow table, a `datasets.Dataset`; or `Comparison` objects, which come back as they are.
        user: Whose rounds they are, for rows that name no user; rows of anybody else are refused.

    Returns:
        The rounds, `Comparison` objects first.

    Raises:
        DataError: A row cannot be read; rows count from 1. Nothing is read then.
    """
    # Readers of rows are loaded where rows come, for a question needs none of them.
    from data_prep.sources.jsonl import read_rows

    items = _items(given)
    rounds = [item for item in items if isinstance(item, Comparison)]
    rows = [item for item in items if not isinstance(item, Comparison)]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} is a {type(row).__name__} ({repr(row)[:60]}); expected {ROWS}")
    return rounds + read_rows(rows, user)


def _items(given: Any) -> list[Any]:
    """Return what was given as a list of rows or rounds."""
    table = arrow_table(given)
    if table is not None:
        return dict_rows(table)
    if isinstance(given, Comparison):
        return [given]
    if isinstance(given, Mapping):
        return _of_mapping(given)
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise DataError(f"{repr(given)[:60]} is a {type(given).__name__}; expected {ROWS}")
    return list(given)


def _of_mapping(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row as it is, and columns row by row."""
    lists = {name: len(column) for name, column in given.items() if isinstance(column, list | tuple)}
    # Content parts of a chat message are a list too, in a row whose other cells are none.
    if not lists or len(lists) < len(given):
        return [dict(given)]
    if len(set(lists.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lists.items())
        raise DataError(f"the columns have different lengths ({told[:120]}); expected one cell for each row")
    rows = zip(*given.values(), strict=True)
    return [{name: cell for name, cell in zip(given, row, strict=True) if cell is not None} for row in rows]
