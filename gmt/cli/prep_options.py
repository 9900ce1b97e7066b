"""Offer the options of `gmt prep` that say how an input is read, and show of each source only those that it reads."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from gmt.cli.options import rating_ends

if TYPE_CHECKING:
    from data_prep.sources.source import SourceOptions

HELP = {
    "user": "Column of the user.",
    "winner": "Column of the verdict.",
    "model_a": "Column of the first model.",
    "model_b": "Column of the second model.",
    "labels": "What the verdict says for A, B and a tie; of a rating column for good, bad and middling.",
    "model": "Column of the model of a rated answer.",
    "rating": "Column of the rating.",
    "rating_scale": "Worst and best rating, e.g. 1,5; 3,1 for places of three.",
    "query": "Column of what was asked.",
    "question": "Column of the question's id.",
    "conversation": "Column of the conversation.",
    "turn": "Column of the round within the conversation.",
    "task": "Column of the task or category.",
    "response": "Column of a rated answer's text.",
    "response_a": "Column of the first answer.",
    "response_b": "Column of the second answer.",
    "feedback": "Column of feedback in words.",
    "cost": "Column of an answer's cost.",
    "timestamp": "Column of the time.",
    "time_format": "How times are written, e.g. %d.%m.%Y; ISO 8601 and epoch numbers need none.",
    "comparison": "Column of what rated answers that were judged together have in common.",
    "delimiter": "What separates the fields of a CSV file: one character, semicolon, tab or pipe.",
    "encoding": "Encoding of the file, e.g. cp1252; UTF-8 by default.",
    "join": "[PREFIX=]FILE:its_key=our_key[,…] joins columns of another file; repeatable.",
}
"""Option of `SourceOptions` -> what it is."""
OWN_HELP = {name: {"rating": "Name of the score that counts."} for name in ("langfuse", "otel")}
"""Source -> option -> what it is there, where that is something else."""
REPEATED = ("join",)
VOTES_ONLY = ("accept", "save_recipe")
"""Options of `gmt prep` itself that speak of a table's columns."""


def reads_columns(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of `HELP`; the function gets them as the mapping `columns`."""

    @functools.wraps(function)
    def command(**given: Any) -> None:
        columns = {name: given.pop(name) for name in HELP}
        function(columns=columns, **given)

    # typer reads the signature: its own parameters stand around those of the columns.
    own = [one for one in inspect.signature(function, eval_str=True).parameters.values() if one.name != "columns"]
    at = next(place for place, one in enumerate(own) if one.name == VOTES_ONLY[0])
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, kind, default=None, annotation=_annotation(name)) for name in HELP]
    parameters = [one.replace(kind=kind) for one in (*own[:at], *added, *own[at:])]
    vars(command)["__signature__"] = inspect.Signature(parameters)
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _annotation(name: str) -> Any:
    kind = list[str] | None if name in REPEATED else str | None
    return Annotated[kind, typer.Option(help=HELP[name])]


def source_options(columns: Mapping[str, Any], seed: int, workers: int, engine: str) -> SourceOptions:
    """Return the options as a source reads them.

    Raises:
        UserError: A scale is no pair of numbers, or labels are not different words.
    """
    from data_prep.sources.source import SourceOptions

    read = dict(columns)
    read["labels"] = tuple(columns["labels"].split(",")) if columns["labels"] else None
    read["rating_scale"], read["join"] = rating_ends(columns["rating_scale"]), tuple(columns["join"] or ())
    return SourceOptions(**read, seed=seed, workers=workers, engine=engine)


class PrepCommand(TyperCommand):
    """Show with `gmt prep SOURCE --help` what this source is and the options it reads, no others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a command line; where it asks for help, of the source that it names."""
        if any(word in ctx.help_option_names for word in args):
            ctx.command = self.about(next((word for word in args if is_source(word)), None))
        return super().parse_args(ctx, args)

    def about(self, source: str | None) -> PrepCommand:
        """Return the same command with the help of one source; without one, with what all sources read."""
        from data_prep.recipes.recipe_files import is_recipe
        from data_prep.sources.source_registry import ON_RAY, READ_BY, SOURCES

        out, read = copy(self), set(READ_BY.get(source or "", ()))
        read |= set(VOTES_ONLY) if source == "votes" else set()
        read |= {"engine"} if source is None or source in ON_RAY or is_recipe(source) else set()
        read |= {"list_recipes"} if source is None or is_recipe(source) else set()
        hidden = {*HELP, *VOTES_ONLY, "engine", "list_recipes"} - read
        if source == "demo":
            hidden |= {"input", "models", "drop_bad_rows"}
        out.params = [copy(one) for one in self.params if one.name not in hidden]
        for one in out.params:
            one.help = OWN_HELP.get(source or "", {}).get(one.name or "", getattr(one, "help", None))  # pyright: ignore[reportAttributeAccessIssue]
        if source is None:
            kinds = "\n".join(f"- `{name}`: {_about(module)}" for name, module in SOURCES.items())
            out.help = f"{self.help}\n\nOptions that name columns are shown by `gmt prep SOURCE --help`.\n\n{kinds}"
        elif is_recipe(source):
            out.help = (
                "Read a file by a recipe, which states its columns; `gmt prep --list-recipes` shows those there are."
            )
        else:
            out.help = _about(SOURCES[source])
        # The example of the command is one of votes.
        out.epilog = self.epilog if source in (None, "votes") else f"Example: `gmt prep {source}{_input(source)}`"
        return out


def is_source(word: str) -> bool:
    """Tell whether a word of the command line names a source."""
    from data_prep.recipes.recipe_files import is_recipe
    from data_prep.sources.source_registry import SOURCES

    return word in SOURCES or is_recipe(word)


def _about(module: str) -> str:
    """Return the first line of a module's docstring, which is not imported for it."""
    found = importlib.util.find_spec(module)
    text = Path(found.origin).read_text("utf-8") if found is not None and found.origin else ""
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _input(source: str) -> str:
    """Return what stands for the input in an example."""
    return "" if source == "demo" else " FOLDER" if source in ("scores", "prism", "vllm-sr") else " FILE"
