"""Find, read and write recipes: those that ship with gmt and anybody's own."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from data_prep.recipes.expand import check_where
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_parts import Each, Judgement, RecipeColumns
from gmt.config.strict_yaml import parse_yaml, read_yaml
from gmt.errors import DataError
from gmt.files import replace_file

PREFIX = "recipe:"
SHELF = Path(__file__).parent / "shelf"
INSIDE: dict[str, type[BaseModel]] = {"columns": RecipeColumns, "each": Each, "several": Judgement}
"""Key -> what its block may hold."""


def is_recipe(source: str) -> bool:
    """Tell whether a source is the name of a shipped recipe or a recipe file."""
    return source.startswith(PREFIX) or source.endswith((".yaml", ".yml"))


def shipped() -> list[str]:
    """Return the names of the recipes that ship with gmt."""
    return sorted(path.stem for path in SHELF.glob("*.yaml"))


def load_recipe(source: str) -> Recipe:
    """Return the recipe `recipe:NAME`, or that of a YAML file.

    Raises:
        DataError: There is none, or it states what no recipe states.
    """
    if not source.startswith(PREFIX):
        return build_recipe(read_yaml(Path(source), DataError, "name a recipe, or recipe:NAME"), source)
    name = source.removeprefix(PREFIX)
    # Looked up in the list and never joined to the folder: a name is no path.
    if name not in shipped():
        close = get_close_matches(name, shipped(), n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Expected one of {', '.join(shipped())}."
        raise DataError(f"there is no recipe {name!r}. {hint}")
    return build_recipe(parse_yaml((SHELF / f"{name}.yaml").read_text("utf-8")), source)


def build_recipe(values: Any, source: str) -> Recipe:
    """Return a recipe of plain values.

    Args:
        values: As YAML gives them.
        source: Where they come from, for messages.

    Raises:
        DataError: A key is unknown (the nearest name is given), or a value is of another type or out of range.
    """
    if not isinstance(values, Mapping):
        raise DataError(f"{source} holds {values!r:.60}; expected a block of keys such as columns")
    try:
        recipe = Recipe.model_validate({str(key): of for key, of in values.items()})
        _ = recipe.dialect  # checked now and not when a file is read
        for where in (recipe.where, *(one.where for one in recipe.several)):
            check_where(where)
        return recipe
    except ValidationError as error:
        raise DataError(f"{source}: {_fault(error.errors(include_url=False)[0])}") from None
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


def _fault(found: Mapping[str, Any]) -> str:
    """Say what was found at which key, what was wanted, and the nearest key to one that is none."""
    place = [str(part) for part in found["loc"]]
    full = ".".join(place)
    if found["type"] == "extra_forbidden":
        # The block in which the key stands: the last outer key that has a block of its own.
        kind = next((INSIDE[part] for part in reversed(place[:-1]) if part in INSIDE), Recipe)
        known = [field.alias or name for name, field in kind.model_fields.items()]
        close = get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]}?" if close else f"Expected one of {', '.join(known)}."
        return f"there is no key {full}. {hint}"
    wanted = found["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("should ")
    return f"{full or 'it'} is {found['input']!r:.80}; expected: {wanted}"


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as YAML that states only what differs from nothing."""
    values = recipe.model_dump(by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(_plain(values), sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    """Return values with lists of one element as that element, which the reader lists again."""
    if isinstance(value, Mapping):
        return {key: _plain(of) for key, of in value.items() if of is not None}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return [_plain(one) for one in value] if isinstance(value, list) else value


def save_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe whole or not at all."""
    replace_file(path, partial(_write, text=recipe_text(recipe)))


def _write(part: Path, text: str) -> None:
    part.write_text(text, "utf-8")
