"""Read an input by a recipe: find its columns and joins, read its rows, put them into comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.read.cells import OptionMissing
from data_prep.read.columns import Columns
from data_prep.read.dialect import PACKED
from data_prep.read.labels import refuse_unexplained
from data_prep.read.parallel import Mapper
from data_prep.read.rated_input import Grouping, RatedInput, read_rated
from data_prep.read.row import Parse, RatedRow, Rejected, Row
from data_prep.read.row_files import HUB, is_hub, read_input
from data_prep.recipes.expand import flat_rows
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_rows import RowReader, RowReaders
from data_prep.recipes.role_cells import Cell
from gmt.errors import DataError

PAIR = ("user", "query", "winner", "model_a", "model_b")
SINGLE = ("user", "query", "model", "rating")
OPTIONAL = ("question", "conversation", "turn", "task", "timestamp", "feedback", "comparison")
SIDES = {"response_a": "model_a", "response_b": "model_b"}
ONLY = {"winner": tuple(SIDES), "rating": ("cost", "response")}
"""Columns that only a vote or only a rated answer has."""


def read_by_recipe(input: str | Path | None, recipe: Recipe, mapper: Mapper | None = None) -> RatedInput:
    """Read an input.

    A vote is one row and, unless `conversation` names a column, one conversation. Rated answers of one user to one
    query form a comparison until a model repeats; with `conversation`, those of the same turn. There, an empty winner
    or rating leaves the round unrated; elsewhere the row is bad.

    Args:
        input: File, folder with the file that the recipe names, or `hub:<dataset id>`.
        recipe: How to read it.
        mapper: Who parses; this process where left out.

    Raises:
        DataError: A column is unknown, a join matches nothing, ratings outside 0..1 came without their scale, or no
            row says a verdict in words that are known.
    """
    input = _located(input, recipe)
    # Shared with the joins: their bad rows are reported with those of the input itself.
    rejected: list[Rejected] = []
    parse = row_parser(input, recipe, rejected)
    single = any(one.columns.winner is None for one in recipe.judgements())
    # Turns of any log may be times or ids; only their order is taken.
    grouping = Grouping(same_query=single, renumber=True, once=recipe.once)
    # Joins are read for every judgement; their bad rows are named once.
    found = read_rated(input, parse, mapper, grouping, list(dict.fromkeys(rejected)), recipe.dialect)
    ratings = found.grouped.candidate["rating"]
    understood = bool((np.abs(ratings - 0.5) > 0).any())
    refuse_unexplained([(str(row), row.reason) for row in found.rejected], understood)
    return found


def row_parser(input: str | Path | None, recipe: Recipe, rejected: list[Rejected]) -> Parse[RatedRow]:
    """Return who reads what one row of an input says.

    Args:
        input: File or `hub:<dataset id>`.
        recipe: How to read it.
        rejected: Receives rows of joined files that cannot be read.

    Raises:
        DataError: A column is unknown, or a join matches nothing.
    """
    readers = tuple(RowReader(one, _cells(input, one, rejected)) for one in recipe.judgements())
    return readers[0] if len(readers) == 1 else RowReaders(readers)


def scale_words(recipe: Recipe) -> str:
    """Say how ratings became numbers in [0, 1], for the data card."""
    first = recipe.judgements()[0]
    if first.columns.rating is None:
        return "winner of a pair: 1 and 0, tie 0.5"
    if first.labels is not None:
        return ", ".join(f"{word} {said}" for word, said in first.labels.items())
    worst, best = first.scale or (0.0, 1.0)
    return f"{worst:g}..{best:g}"


def stated_roles(recipe: Recipe) -> dict[str, list[str]]:
    """Return role -> columns of a recipe of one judgement.

    Raises:
        DataError: A column is missing that a vote or a rated answer must have, or one is named that it has not.
    """
    stated = recipe.columns.stated()
    # A rating column beside a winner is refused below: a row is a vote or a rated answer, not both.
    single = "rating" in stated and "winner" not in stated
    needs = SINGLE if single else PAIR
    flags = " ".join("--" + name.replace("_", "-") for name in needs if name not in stated)
    if flags:
        raise OptionMissing(
            f"votes needs {flags}; votes take --user --winner --model-a --model-b --query, "
            "ratings --user --model --rating --query; without any of them, gmt prep votes FILE proposes all"
        )
    allowed = (*needs, *OPTIONAL, *ONLY["rating" if single else "winner"])
    unread = [name for name in stated if name not in allowed]
    unread += ["rating_scale"] if not single and recipe.rating_scale is not None else []
    unread += ["rating_scale"] if single and recipe.rating_scale is not None and recipe.labels is not None else []
    if unread:
        flags = " ".join("--" + name.replace("_", "-") for name in unread)
        beside = "labels" if single and unread == ["rating_scale"] else "rating" if single else "winner"
        raise DataError(f"{flags} is not read beside --{beside}; leave it out")
    return {role: stated[role] for role in allowed if role in stated}


def _located(input: str | Path | None, recipe: Recipe) -> str | Path | None:
    """Return the file that the recipe names in a folder, or the input as it is."""
    if recipe.file is None or input is None or is_hub(input) or not Path(input).is_dir():
        return input
    path = Path(input) / recipe.file
    packed = path.with_name(path.name + PACKED)
    if not path.is_file() and not packed.is_file():
        raise DataError(f"{input} holds no {recipe.file}; name the folder of the published files, or the file itself")
    return path if path.is_file() else packed


def _cells(input: str | Path | None, recipe: Recipe, rejected: list[Rejected]) -> dict[str, Cell]:
    """Return role -> where it stands."""
    wanted = stated_roles(recipe)
    # A hub dataset has no folder, so joined files are looked for here.
    path = Path(str(input).removeprefix(HUB).replace("/", "_") if is_hub(input) or input is None else input)
    unread: list[Rejected] = []
    # Without its conditions: where they keep no row, the columns are there all the same.
    unconditional = recipe.model_copy(update={"where": {}})

    def rows() -> Iterator[Row]:
        for _, _, row in read_input(input, unread, dialect=recipe.dialect):
            try:
                yield from flat_rows(row, unconditional)
            except DataError:
                continue  # named when it is read for good

    added = (*recipe.constants, *(() if recipe.each is None else recipe.each.added))
    columns = Columns(path, rows, tuple(recipe.joins), rejected, unread, recipe.dialect, added)
    for name in (*recipe.where, *(() if recipe.each is None else (recipe.each.column,))):
        # A condition on a column that is none would keep no row, or all of them.
        if name.split(".")[0] not in columns.columns:
            columns.find(name)
    found = {}
    for role, names in wanted.items():
        near = recipe.columns.stated().get(SIDES.get(role, ""), [None])[0]
        turned = tuple(role == "rating" and name.startswith("-") and name not in columns.columns for name in names)
        bare = [name[1:] if back else name for name, back in zip(names, turned, strict=True)]
        found[role] = Cell(tuple(columns.find(name, near=near) for name in bare), turned)
    _refuse_useless_joins(columns)
    return found


def _refuse_useless_joins(columns: Columns) -> None:
    """Refuse a join of which no key matches, which would make every row of a large file bad, one by one."""
    for join in columns.joins:
        rows: Iterator[Row] = columns.rows()
        first: Row | None = next(rows, None)
        if first is not None and not join.match(first) and not any(join.match(row) for row in rows):
            raise DataError(f"{join.missing(first)}, nor for any other row; check the keys of --join")
