"""Read any table of pairwise votes or of ratings, its columns named on the command line."""

from __future__ import annotations

from pathlib import Path

from data_prep.read.labels import stated_labels
from data_prep.recipes.read_recipe import read_by_recipe, scale_words
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_parts import RecipeColumns
from data_prep.sources.source import RawData, SourceOptions


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read votes (`winner, model_a, model_b`) or ratings (`model, rating`), as `read_by_recipe` says.

    Raises:
        DataError: An option is missing, a column is unknown, a join matches nothing, or ratings
            outside 0..1 came without their scale.
    """
    recipe = recipe_of(options)
    found = read_by_recipe(input, recipe, options.mapper)
    return RawData(
        grouped=found.grouped,
        rejected=found.rejected,
        rows=found.grouped.rows,
        rating_scale=scale_words(recipe),
        distant=found.distant,
    )


def recipe_of(options: SourceOptions) -> Recipe:
    """Return the recipe that the options of the command line state."""
    # One by one and not split: a column's name may hold anything, commas included.
    columns = {role: [name] for role in RecipeColumns.model_fields if (name := getattr(options, role)) is not None}
    return Recipe(
        columns=RecipeColumns(**columns),
        joins=list(options.join),
        labels=None if options.labels is None else stated_labels(options.labels),
        rating_scale=None if options.rating_scale is None else list(options.rating_scale),
        delimiter=options.delimiter,
        encoding=options.encoding,
        time_format=options.time_format,
    )
