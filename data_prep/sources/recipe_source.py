"""Read what a recipe describes: one that ships with gmt, or a YAML file of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.recipes.read_recipe import read_by_recipe, scale_words
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_files import load_recipe, recipe_text
from data_prep.sources.source import RawData, SourceOptions

COPY = "recipe.yaml"
"""The recipe's place in the data folder that it made."""


@dataclass(frozen=True)
class RecipeSource:
    """Read inputs by one recipe.

    Args:
        recipe: The recipe.
    """

    recipe: Recipe

    def read(self, input: str | Path | None, options: SourceOptions) -> RawData:
        """Read a file, the folder that holds it, or `hub:<dataset id>`; of the options only who parses is used.

        Raises:
            DataError: As `read_by_recipe`.
        """
        found = read_by_recipe(input, self.recipe, options.mapper)
        return RawData.of_input(found, scale_words(self.recipe), extras={COPY: recipe_text(self.recipe)})


def recipe_source(name: str) -> RecipeSource:
    """Return the source that `recipe:NAME` or the path of a YAML file names.

    Raises:
        DataError: There is no such recipe, or it states what no recipe states.
    """
    return RecipeSource(load_recipe(name))
