"""Say what a recipe may state: where a file's columns, joins, labels, scales and rounds stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from data_prep.read.dialect import Dialect
from data_prep.read.labels import OUR_LABELS, Labels
from data_prep.recipes.recipe_parts import Each, Judgement, LabelWords, Part, RecipeColumns, Scale, listed


class Recipe(Part):
    """State how a file becomes comparisons."""

    about: str = ""
    """What the data are."""
    source: str = ""
    """Where they are published."""
    licence: str = ""
    """Under which licence."""
    file: str | None = None
    """Name of the file where a folder is given."""
    format: str | None = None
    """csv, tsv, jsonl, json or parquet; else as the name ends."""
    delimiter: str | None = None
    """What separates the fields of a CSV file."""
    encoding: str | None = None
    """Encoding of the file; UTF-8 else."""
    joins: Annotated[list[str], BeforeValidator(listed)] = []
    """`[PREFIX=]FILE:its_key=our_key[,its_key2=our_key2]`, one for each joined file."""
    constants: dict[str, str | int | float] = {}
    """Columns that the file lacks, with the value that every row has."""
    where: dict[str, Any] = {}
    """Rows to keep: column -> a value, a list of values, `{not: …}` or `{present: true|false}`."""
    each: Each | None = None
    """Rounds or answers inside a row."""
    columns: RecipeColumns = RecipeColumns()
    """Where everything stands."""
    labels: LabelWords = None
    """Word of the verdict -> rating of a from 0 to 1, or `both bad`; of a rating column: word -> rating."""
    rating_scale: Scale = None
    """The worst and the best rating; `[3, 1]` for places of three."""
    time_format: str | None = None
    """How times are written, as `strptime` names it, where they are neither epoch numbers nor ISO 8601."""
    empty: Annotated[list[str], BeforeValidator(listed)] = []
    """What an answer says where it is an empty text."""
    several: list[Judgement] = []
    """Several verdicts or ratings on one row."""
    once: bool = False
    """Rows that say again what a row of their comparison said say nothing new."""

    @property
    def dialect(self) -> Dialect:
        """How the file is written."""
        return Dialect(self.format, self.delimiter, self.encoding)

    def judgements(self) -> Sequence[Recipe]:
        """Return a recipe of one judgement for each that a row holds."""
        if not self.several:
            return [self]
        found = []
        for one in self.several:
            columns = RecipeColumns(**(self.columns.stated() | one.columns.stated()))
            change: dict[str, Any] = {"columns": columns, "several": []}
            change |= {"where": self.where | one.where, "constants": self.constants | one.constants}
            change |= {key: said for key in ("labels", "rating_scale") if (said := getattr(one, key)) is not None}
            found.append(self.model_copy(update=change))
        return found

    @property
    def words(self) -> Labels:
        """The words of verdicts and ratings."""
        return OUR_LABELS if self.labels is None else Labels(self.labels, True)

    @property
    def scale(self) -> tuple[float, float] | None:
        """The worst and the best rating."""
        return None if self.rating_scale is None else (self.rating_scale[0], self.rating_scale[1])
