"""Show how a file would be read, before anything is written: proposals, the recipe they make, and those that ship."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmt.cli.console import Terminal
from gmt.errors import UserError

if TYPE_CHECKING:
    from data_prep.read.row import RatedRow
    from data_prep.recipes.propose import Proposal
    from data_prep.recipes.recipe import Recipe
    from data_prep.sources.source import SourceOptions

WIDTH = 40
"""Characters of a text that a row shows."""


def asks_for_proposal(source: str, input: str | None, columns: SourceOptions) -> bool:
    """Tell whether a command names a table and nothing of its columns."""
    from data_prep.recipes.recipe_parts import RecipeColumns

    named = (*RecipeColumns.model_fields, "labels", "rating_scale", "time_format")
    stated = columns.join or any(getattr(columns, name) is not None for name in named)
    return source == "votes" and input is not None and not input.startswith("hub:") and not stated


def chosen_recipe(
    terminal: Terminal, source: str, input: str | None, columns: SourceOptions, accept: bool, save: Path | None
) -> Recipe | None:
    """Propose a recipe where none is stated, keep it where that is asked for, and return what was accepted.

    Raises:
        UserError: Something is to be accepted or kept where nothing is proposed or stated.
    """
    from data_prep.recipes.recipe_files import save_recipe

    proposed = asks_for_proposal(source, input, columns)
    if accept and not proposed:
        raise UserError("--accept takes what gmt prep votes FILE proposes; leave it out, or leave out the columns")
    if not proposed and save is None:
        return None
    if proposed:
        recipe = _proposal(terminal, str(input), accept)
    elif source == "votes":
        from data_prep.sources.votes import recipe_of

        recipe = recipe_of(columns)
    else:
        raise UserError(f"--save-recipe keeps how votes are read, and the source is {source}; leave it out")
    if save is not None:
        save_recipe(save, recipe)
        terminal.text(f"{save}: the recipe; gmt prep {save} FILE reads by it")
    return recipe if accept or not proposed else None


def _proposal(terminal: Terminal, input: str, accept: bool) -> Recipe:
    """Say what a file seems to hold, and show five rows of it as they would be read."""
    from data_prep.recipes.preview import preview
    from data_prep.recipes.propose import command_of, propose

    found = propose(Path(input))
    seen = preview(input, found.recipe)
    command = command_of(found.recipe, input) or f"gmt prep votes {input} --accept"
    if found.shipped is not None:
        command = f"gmt prep recipe:{found.shipped} {Path(input).parent}"
    if not accept:
        terminal.result(_as_json(found, command, seen.rows))
    for line in found.reasons:
        terminal.text(line)
    heads, rows = ["user", "query", "answers", "turn"], [_shown(row) for row in seen.rows]
    terminal.table("\nAs it would be read:", heads, rows, texts=heads[1:3])
    for line in found.open:
        terminal.warn(f"Please check: {line}.")
    if seen.refused:
        terminal.warn(f"{len(seen.refused):,} of {seen.tried:,} rows could not be read, the first {seen.refused[0]}.")
    if not accept:
        terminal.text(f"\n{command}", whole=True)
        terminal.text("Nothing is written yet: give this command, changed where it is wrong, or add --accept.")
    return found.recipe


def _as_json(found: Proposal, command: str, rows: Any) -> dict[str, Any]:
    recipe = found.recipe.model_dump(by_alias=True, exclude_defaults=True)
    return {
        "recipe": recipe,
        "command": command,
        "found": list(found.reasons),
        "check": list(found.open),
        "rows": [_shown(row) for row in rows],
    }


def _shown(row: RatedRow) -> list[str]:
    answers = ", ".join(
        f"{one.model} {'unrated' if one.rating is None else format(one.rating, '.3g')}" for one in row.candidates
    )
    query = textwrap.shorten(" ".join(row.query.split()), WIDTH, placeholder="…")
    return [row.user, query, answers, "–" if row.turn is None else str(row.turn)]


def print_recipes(terminal: Terminal) -> None:
    """List the recipes that ship with gmt."""
    from data_prep.recipes.recipe_files import PREFIX, load_recipe, shipped

    recipes = {name: load_recipe(PREFIX + name) for name in shipped()}
    terminal.result(
        {"recipes": {name: one.model_dump(by_alias=True, exclude_defaults=True) for name, one in recipes.items()}}
    )
    for name, one in recipes.items():
        terminal.text(f"{PREFIX}{name}\n    {one.about}\n    {one.source}; {one.licence}")
