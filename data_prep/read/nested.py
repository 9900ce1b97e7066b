"""Reach into the objects and lists of a cell: `scores.Q0`, `turn.1`, `texts.{model}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data_prep.read.cells import label

PLACE = re.compile(r"\{([^{}]+)\}")
"""A part of a path that another cell of the row names."""


def reach(row: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path of a row; None where nothing does.

    A column that bears the whole path as its name goes first, for names may hold a dot themselves. Numbers count the
    elements of a list from 0. `{name}` stands for the cell `name` of the same row, so that a list or an object may be
    read by what another cell says.
    """
    if path in row:
        return row[path]
    found: Any = row
    # Cut before names are filled in, for these may hold dots (`texts.{model}` with a model called gpt-4.1).
    for part in path.split("."):
        named = PLACE.fullmatch(part)
        key = part if named is None else label(row.get(named[1]), named[1])
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list) and key is not None and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def inner_names(row: Mapping[str, Any]) -> list[str]:
    """Return the paths one step into the objects of a row, to be named where a column is not found."""
    return [f"{name}.{key}" for name, cell in row.items() if isinstance(cell, Mapping) for key in cell]
