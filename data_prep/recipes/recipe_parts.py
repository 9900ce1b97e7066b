"""Say what the blocks of a recipe may state: columns, rounds inside a row, several judgements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from data_prep.read.labels import BOTH_BAD


def listed(value: Any) -> Any:
    """Return a list where YAML gave one value."""
    return value if isinstance(value, (list, tuple)) or value is None else [value]


def _words(value: Any) -> Any:
    """Return labels with their words as text; YAML reads yes, no, true and false as truth values."""
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for word, said in value.items():
        said = said if said == BOTH_BAD or isinstance(said, bool) or not isinstance(said, int) else float(said)
        for name in ("true", "True", "yes") if word is True else ("false", "False", "no") if word is False else (word,):
            found[str(name)] = said
    return found


Path_ = Annotated[str, Field(min_length=1)]
Paths = Annotated[list[Path_] | None, BeforeValidator(listed)]
Share = Annotated[float, Field(ge=0, le=1)]
BothBad = Annotated[str, Field(pattern=f"^{BOTH_BAD}$")]
LabelWords = Annotated[dict[str, Share | BothBad] | None, BeforeValidator(_words)]
Scale = Annotated[list[float], Field(min_length=2, max_length=2)] | None


class Part(BaseModel):
    """Refuse keys that are none, and values of another type than stated."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RecipeColumns(Part):
    """Name the column, or the path into one (`scores.Q0`, `turn.1`, `texts.{model}`), of everything a row may say.

    Several columns of a text are joined by line breaks, of a name by `/`; of several ratings the mean is taken, and
    one with a minus before it counts from the other end of the scale.
    """

    user: Paths = None
    """Who asked and judged."""
    query: Paths = None
    """What was asked."""
    winner: Paths = None
    """The verdict on two answers."""
    model_a: Paths = None
    """Who gave the first answer."""
    model_b: Paths = None
    """Who gave the second."""
    response_a: Paths = None
    """The first answer."""
    response_b: Paths = None
    """The second."""
    model: Paths = None
    """Who gave the one answer that is rated."""
    rating: Paths = None
    """Its rating."""
    response: Paths = None
    """Its text."""
    comparison: Paths = None
    """What rows that were judged together have in common."""
    question: Paths = None
    """The source's own id of the question."""
    conversation: Paths = None
    """The conversation."""
    turn: Paths = None
    """The place of the round in it; only the order counts."""
    task: Paths = None
    """Task or category."""
    timestamp: Paths = None
    """When it was judged."""
    feedback: Paths = None
    """What was said in words."""
    cost: Paths = None
    """What the answer cost."""

    def stated(self) -> dict[str, list[str]]:
        """Return role -> columns of the roles that are stated."""
        return {name: found for name in type(self).model_fields if (found := getattr(self, name)) is not None}


class Each(Part):
    """Say that a row holds several rounds or answers: one for each element of a list, an object or chat messages.

    Every element becomes a row that has all other cells too. It is called `as`; beside it stand `<as>_number` (from
    0), `<as>_key` (its key in an object) and `<as>_last`.
    """

    list: Path_ | None = None
    """Column of a list."""
    mapping: Path_ | None = None
    """Column of an object; its keys are often names of models."""
    messages: Path_ | None = None
    """Column of chat messages; an element is a round with `query`, `answer` and `model`."""
    name: Annotated[str, Field(alias="as", pattern=r"^\w+$")] = "item"
    """What an element is called."""
    rated: Annotated[str, Field(pattern="^(every|last)$")] = "every"
    """Which elements the rating or verdict belongs to; those before the last are what was read until then."""

    @model_validator(mode="after")
    def _one_kind(self) -> Each:
        if sum(one is not None for one in (self.list, self.mapping, self.messages)) != 1:
            raise ValueError("each needs one of list, mapping and messages")
        return self

    @property
    def column(self) -> str:
        """The column that holds the elements."""
        return self.list or self.mapping or self.messages or ""

    @property
    def added(self) -> tuple[str, ...]:
        """Columns that an element adds."""
        return tuple(f"{self.name}{ending}" for ending in ("", "_number", "_key", "_last"))


class Judgement(Part):
    """State one of several verdicts or ratings that stand on one row; what it leaves out is as in the recipe."""

    columns: RecipeColumns = RecipeColumns()
    """Columns beside the recipe's, or in place of one of the same role."""
    constants: dict[str, str | int | float] = {}
    """Columns that the row lacks and this judgement adds, e.g. a task."""
    where: dict[str, Any] = {}
    """Rows that hold this judgement, beside the recipe's own conditions."""
    labels: LabelWords = None
    """As in the recipe."""
    rating_scale: Scale = None
    """As in the recipe."""
