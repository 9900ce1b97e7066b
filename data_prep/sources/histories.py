"""Read the rounds of one user from a file: rows with the table's own names, or whatever a recipe describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.read.row import WrongCall
from data_prep.read.row_files import is_hub
from data_prep.recipes.read_recipe import read_by_recipe
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_files import load_recipe
from data_prep.sources.jsonl import read_history
from data_prep.sources.source import SourceOptions
from gmt.data.comparisons import Comparison
from gmt.errors import DataError

OURS = "user"


@dataclass(frozen=True)
class HistoryForm:
    """Say how a history is written, as the options of `gmt prep` say it of a log.

    Args:
        recipe: `recipe:NAME` or a YAML file; None for rows with the table's own names.
        labels: Words of verdicts or ratings, as `SourceOptions.labels`.
        rating_scale: The worst and the best rating; None stands for 0 to 1.
    """

    recipe: str | None = None
    labels: tuple[str, ...] | None = None
    rating_scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.recipe is not None and (self.labels is not None or self.rating_scale is not None):
            raise DataError("a recipe states labels and scale itself; leave out --labels and --rating-scale")


def user_rounds(path: str | Path, user: str, form: HistoryForm) -> list[Comparison]:
    """Return the rounds of one user, in the order of the file.

    By a recipe whole logs are read, of which the user's own rows count; where it names no column of users, all rows
    are theirs.

    Args:
        path: File, or the folder that a recipe reads.
        user: Whose rounds are wanted.
        form: How the file is written.

    Raises:
        DataError: The file or a row of it cannot be read, or by a recipe no row is the user's.
    """
    if form.recipe is None:
        try:
            data = read_history(path, user, SourceOptions(labels=form.labels, rating_scale=form.rating_scale))
        except WrongCall as error:
            raise DataError(f"{error}; nothing was added") from error
        rejected, rounds = data.rejected, data.comparisons
    else:
        found = read_by_recipe(path, _of_one_user(load_recipe(form.recipe), user))
        rejected, everybody = found.rejected, found.grouped.comparisons()
        rounds = [item for item in everybody if item.user == user]
        if everybody and not rounds:
            file = str(path) if is_hub(path) else Path(path).name
            some = ", ".join(list(dict.fromkeys(item.user for item in everybody))[:3])
            raise DataError(f"no row of {file} is of {user}; its users are {some}, …; check the name or the recipe")
    if rejected:
        raise DataError(f"{rejected[0]}; mend the line and adapt again, nothing was added")
    return rounds


def _of_one_user(recipe: Recipe, user: str) -> Recipe:
    """Return a recipe that names its users; all rows are this one's where it names none."""
    if any(one.columns.user is not None for one in recipe.judgements()):
        return recipe
    columns = recipe.columns.model_copy(update={"user": [OURS]})
    return recipe.model_copy(update={"columns": columns, "constants": recipe.constants | {OURS: user}})
