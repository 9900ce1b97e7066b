"""Show the first rows of a file as a recipe reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from data_prep.read.parsing import parse_rows
from data_prep.read.row import RatedRow, Rejected
from data_prep.read.row_files import read_input
from data_prep.recipes.read_recipe import row_parser
from data_prep.recipes.recipe import Recipe

SHOWN, TRIED = 5, 2000


@dataclass(frozen=True)
class Preview:
    """Hold what the first rows of a file say.

    Args:
        rows: The first that could be read.
        tried: How many rows of the file were tried.
        refused: Those of them that could not be read.
    """

    rows: Sequence[RatedRow]
    tried: int
    refused: Sequence[Rejected]


def preview(input: str, recipe: Recipe) -> Preview:
    """Read the first rows of a file, joined files included.

    Raises:
        DataError: As `read_by_recipe`.
    """
    refused: list[Rejected] = []
    parse = row_parser(input, recipe, refused)
    given = list(islice(read_input(input, refused, dialect=recipe.dialect), TRIED))
    parsed, bad = parse_rows(given, parse)
    # A round without a rating says little of how ratings are read.
    rated = [row for row in parsed if any(candidate.rating is not None for candidate in row.candidates)]
    return Preview((rated or parsed)[:SHOWN], len(given), [*refused, *bad])
