"""Make flat rows of a file's rows: add constants, take lists and messages apart, keep the rows a recipe wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from data_prep.read.cells import shown
from data_prep.read.chat_messages import message_rounds
from data_prep.read.json_text import parse_json
from data_prep.read.nested import reach
from data_prep.read.row import Row
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_parts import Each
from gmt.errors import DataError


def flat_rows(row: Row, recipe: Recipe) -> Iterator[Row]:
    """Yield the rows that one row of a file stands for.

    Raises:
        DataError: The list, object or messages that it should hold are something else.
    """
    row = row | recipe.constants
    for one in [row] if recipe.each is None else _elements(row, recipe.each):
        if wanted(one, recipe.where):
            yield one


def wanted(row: Row, where: Mapping[str, Any]) -> bool:
    """Tell whether a row meets every condition on its cells."""
    return all(_met(reach(row, path), condition) for path, condition in where.items())


def _met(cell: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping) and "present" in condition:
        there = cell is not None and cell != "" and cell != [] and cell != {}
        return there == bool(condition["present"])
    if isinstance(condition, Mapping):
        return not _met(cell, condition["not"])
    wanted_words = condition if isinstance(condition, list) else [condition]
    return _word(cell) in {_word(one) for one in wanted_words}


def _word(value: Any) -> str | None:
    """Return a cell as it is compared: the 8 of one file is the "8" of another, and true is True."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip().casefold() if isinstance(value, (bool, str)) else str(value)


def _elements(row: Row, each: Each) -> Iterator[Row]:
    cell = reach(row, each.column)
    found: list[tuple[Any, Any]]
    if each.messages is not None:
        found = [(None, asdict(one)) for one in message_rounds(cell, each.column)]
    else:
        kind, wanted_kind = (dict, "an object") if each.mapping is not None else (list, "a list")
        cell = _parsed(cell, each.column) if isinstance(cell, str) else cell
        if cell is None:
            return
        if not isinstance(cell, kind):
            raise DataError(f"{each.column} is {shown(cell)}; expected {wanted_kind}")
        found = list(cell.items()) if isinstance(cell, dict) else [(None, one) for one in cell]
    if not found and each.messages is not None:
        raise DataError(f"{each.column} holds no question with an answer; expected one or more")
    for number, (key, one) in enumerate(found):
        last = number == len(found) - 1
        yield row | dict(zip(each.added, (one, number, key, last), strict=True))


def _parsed(cell: str, name: str) -> Any:
    """Return the value of a cell that holds JSON, as lists do in a CSV file."""
    try:
        return parse_json(cell)
    except ValueError as error:
        raise DataError(f"{name} is not JSON ({error}); expected a list or an object") from error


def check_where(where: Mapping[str, Any]) -> None:
    """Refuse a condition that is none.

    Raises:
        DataError: There is such a condition.
    """
    for path, condition in where.items():
        if isinstance(condition, Mapping) and set(condition) not in ({"not"}, {"present"}):
            raise DataError(
                f"where.{path} is {dict(condition)!r:.60}; expected a value, a list of values, not: … or present: true"
            )
