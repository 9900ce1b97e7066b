"""Name the sources of conversations, and import them when they are asked for."""

from __future__ import annotations

import importlib
from dataclasses import fields
from difflib import get_close_matches

from data_prep.recipes.recipe_files import is_recipe, shipped
from data_prep.sources.recipe_source import recipe_source
from data_prep.sources.source import Source, SourceOptions
from gmt.errors import DataError

SOURCES = {
    # Names and not modules: `gmt --help` must not load what the sources import.
    "demo": "data_prep.sources.demo",
    "arena": "data_prep.sources.arena",
    "mt-bench": "data_prep.sources.mt_bench",
    "votes": "data_prep.sources.votes",
    "gmtrouter": "data_prep.sources.gmtrouter",
    "scores": "data_prep.sources.scores",
    "jsonl": "data_prep.sources.jsonl",
    "prism": "data_prep.sources.prism",
    "prism-answers": "data_prep.sources.prism_answers",
    "comparia": "data_prep.sources.comparia",
    "community-alignment": "data_prep.sources.community_alignment",
    "personal-reward-bench": "data_prep.sources.personal_reward_bench",
    "chat": "data_prep.sources.chat",
    "langfuse": "data_prep.sources.langfuse",
    "otel": "data_prep.sources.otel",
    "vllm-sr": "data_prep.sources.vllm_sr",
    "open-webui": "data_prep.sources.open_webui",
}
COLUMNS = tuple(one.name for one in fields(SourceOptions) if one.name not in ("seed", "workers", "engine"))
"""Options that name columns of an input, or say how to read them."""
SAID = ("rating_scale", "labels")
READ_BY = {
    "votes": COLUMNS,
    "gmtrouter": ("rating_scale",),
    "jsonl": SAID,
    "chat": SAID,
    # Here --rating names a score of the export and no column.
    "langfuse": ("rating", *SAID),
    "otel": ("rating", *SAID),
    "vllm-sr": SAID,
}
"""Which of them a source reads; the others have fixed columns."""
ON_RAY = ("votes", "jsonl", "arena", "comparia", "community-alignment", "chat", "open-webui")
"""Sources that read row by row, and so on several machines; recipes do too."""


def load_source(name: str) -> Source:
    """Return the source called `name`, importing it only now, or the one that a recipe states.

    Args:
        name: A name of `SOURCES`, `recipe:NAME`, or the path of a YAML file.

    Raises:
        DataError: There is no such source.
    """
    if is_recipe(name):
        return recipe_source(name)
    if name not in SOURCES:
        if name in shipped():
            raise DataError(f"there is no source {name!r}. Did you mean recipe:{name}?")
        close = get_close_matches(name, SOURCES, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Expected one of {', '.join(SOURCES)}."
        raise DataError(f"there is no source {name!r}. {hint}")
    return importlib.import_module(SOURCES[name])  # type: ignore[return-value]


def refuse_unread(name: str, options: SourceOptions) -> None:
    """Refuse options that the source called `name` would pass over.

    Raises:
        DataError: There is such an option.
    """
    # An option that has no effect is refused rather than passed over: who gave it believes it has one.
    unread = [
        "--" + one.replace("_", "-")
        for one in COLUMNS
        if one not in READ_BY.get(name, ()) and getattr(options, one) not in (None, ())
    ]
    if unread and is_recipe(name):
        raise DataError(f"{name} states its columns itself, and {' '.join(unread)} too; change a copy of the recipe")
    if unread:
        raise DataError(
            f"the source {name} does not read {' '.join(unread)}, its columns are fixed; leave it out or take votes"
        )
