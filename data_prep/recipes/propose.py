"""Propose how to read a file that nobody described: a recipe, why it was chosen, and what it leaves open."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data_prep.read.dialect import PACKED, Dialect
from data_prep.read.row_files import read_input
from data_prep.recipes.column_facts import ColumnFacts, facts_of
from data_prep.recipes.draft import Draft, find_ratings, find_rounds, find_texts, find_time, find_votes
from data_prep.recipes.guess import is_name
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_files import PREFIX, load_recipe, shipped
from data_prep.recipes.recipe_parts import RecipeColumns
from data_prep.recipes.sniff import sniff
from gmt.errors import DataError

LOOKED_AT = 2000
"""Rows on which a proposal stands."""


@dataclass(frozen=True)
class Proposal:
    """Hold how a file may be read.

    Args:
        recipe: The proposal.
        reasons: What was found, one line each.
        open: What a user should check, one line each.
        shipped: Name of the recipe that ships with gmt, where the file is one that it knows.
    """

    recipe: Recipe
    reasons: Sequence[str]
    open: Sequence[str]
    shipped: str | None = None


def propose(path: Path) -> Proposal:
    """Look at a file and propose a recipe.

    Raises:
        DataError: The file cannot be read, or no column looks like one that every vote or rating needs.
    """
    dialect = sniff(path)
    rows = [row for _, _, row in islice(read_input(path, [], dialect=dialect), LOOKED_AT)]
    if not rows:
        raise DataError(f"{path.name} holds no row that can be read; expected votes or ratings")
    draft = Draft(facts_of(rows))
    if (known := _known(path, draft.facts)) is not None:
        return known
    find_rounds(draft)
    # A timestamp before all: its numbers would do for ratings.
    find_time(draft)
    draft.take_named("user", is_name)
    if not find_votes(draft):
        find_ratings(draft)
    find_texts(draft)
    _refuse_unfinished(draft, path)
    return Proposal(_recipe(draft, dialect), _dialect_words(dialect) + draft.reasons, draft.open)


def _known(path: Path, facts: Sequence[ColumnFacts]) -> Proposal | None:
    """Return the shipped recipe of a file that has its name and its columns."""
    there = {one.name.split(".")[0] for one in facts}
    for name in shipped():
        recipe = load_recipe(PREFIX + name)
        if recipe.file == path.name.removesuffix(PACKED):
            user = (recipe.columns.user or [""])[0].split(".")[0]
            if user in there:
                return Proposal(recipe, [f"{path.name} has the name and the columns of {PREFIX}{name}"], [], name)
    return None


def _refuse_unfinished(draft: Draft, path: Path) -> None:
    """Refuse a draft that lacks a column which every vote or rating needs."""
    needed = ["user", "query"]
    needed += ["winner", "model_a", "model_b"] if "winner" in draft.columns else ["model", "rating"]
    missing = [role for role in needed if role not in draft.columns]
    if not missing:
        return
    names = ", ".join(one.name for one in draft.facts)[:120]
    found = ", ".join(f"{role}={name}" for role, name in draft.columns.items() if role in needed) or "nothing"
    flags = " ".join(f"--{role}" for role in missing)
    raise DataError(
        f"{path.name}: found {found}; no column looks like {' or '.join(missing)} among {names}; name {flags} "
        "and the others as gmt prep --help says, or write a recipe"
    )


def _recipe(draft: Draft, dialect: Dialect) -> Recipe:
    return Recipe(
        format=dialect.format,
        delimiter=dialect.delimiter,
        encoding=dialect.encoding,
        each=draft.each,
        columns=RecipeColumns(**{role: [name] for role, name in draft.columns.items()}),
        labels=draft.labels or None,
        rating_scale=None if draft.scale is None else list(draft.scale),
        time_format=draft.time_format,
    )


def _dialect_words(dialect: Dialect) -> list[str]:
    found = {"format": dialect.format, "delimiter": dialect.delimiter, "encoding": dialect.encoding}
    return [f"{name}: {said}" for name, said in found.items() if said is not None]


def command_of(recipe: Recipe, path: str) -> str | None:
    """Return the `gmt prep votes` command that states a recipe; None where only a recipe can state it."""
    sides = {1.0: 0, 0.0: 1, 0.5: 2, "both bad": 3}
    labels = [""] * 4
    for word, said in (recipe.labels or {}).items():
        at = sides.get(said)
        if at is None or labels[at] or "," in word:
            return None
        labels[at] = word
    stated = [word for word in labels if word]
    # The words are known by their places, so that none may lack before the last.
    if recipe.each is not None or recipe.format is not None or labels[: len(stated)] != stated or len(stated) == 1:
        return None
    options = [(role, name[0]) for role, name in recipe.columns.stated().items()]
    options += [("labels", ",".join(stated))] if stated else []
    options += [("rating-scale", f"{recipe.scale[0]:g},{recipe.scale[1]:g}")] if recipe.scale else []
    for name in ("delimiter", "encoding", "time_format"):
        options += [(name, said)] if (said := getattr(recipe, name)) is not None else []
    words = [f"--{role.replace('_', '-')} {shlex.quote(said)}" for role, said in options]
    return " ".join([f"gmt prep votes {shlex.quote(path)}", *words])
