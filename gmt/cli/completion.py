"""Tell a shell what a command line could go on with: runs, data folders, users, models, settings and fixed words."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Complete = Callable[[Any, str], list[str]]
"""Takes the context, whose `params` hold the options read so far, and the word begun."""
DEMO_RUN, MODELS, HISTORY, STATE = Path("runs/demo"), "models.json", "history.parquet", "state.db"
RUN_MARK, DATA_MARK = HISTORY, "interactions.parquet"
"""A file by which a folder is known for a run, or for a data folder."""


def one_of(*words: str) -> Complete:
    """Return a completion by fixed words."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def complete_run(ctx: Any, incomplete: str) -> list[str]:
    """Return run folders, and folders on the way to them."""
    return _folders(incomplete, RUN_MARK)


def complete_data(ctx: Any, incomplete: str) -> list[str]:
    """Return data folders, and folders on the way to them."""
    return _folders(incomplete, DATA_MARK)


def complete_user(ctx: Any, incomplete: str) -> list[str]:
    """Return names of users that the run of the command line knows."""
    run, found = _run(ctx), set(_told(_run(ctx), "users"))
    with contextlib.suppress(Exception):  # a shell shows no error, and must not be kept from its line
        import pyarrow.parquet as pq

        found |= set(pq.read_table(run / HISTORY, columns=["user"])["user"].unique().to_pylist())
    return sorted(name for name in found if name and name.startswith(incomplete))


def complete_model(ctx: Any, incomplete: str) -> list[str]:
    """Return models that the run offers, after the last comma of a list."""
    run, found = _run(ctx), set(_told(_run(ctx), "models"))
    with contextlib.suppress(OSError, ValueError):
        found |= set(json.loads((run / MODELS).read_text("utf-8")))
    return _listed(sorted(found), incomplete)


def complete_task(ctx: Any, incomplete: str) -> list[str]:
    """Return tasks that the run's data name."""
    found: set[Any] = set()
    with contextlib.suppress(Exception):
        import pyarrow.parquet as pq

        found = set(pq.read_table(_run(ctx) / HISTORY, columns=["task"])["task"].unique().to_pylist())
    return sorted(name for name in found if name and name.startswith(incomplete))


def complete_setting(ctx: Any, incomplete: str) -> list[str]:
    """Return `section.key=` of every setting; behind the sign its value of today."""
    from gmt.config import RunConfig
    from gmt.config.settings import setting_names

    name, sign, _ = incomplete.partition("=")
    if not sign:
        return [f"{one}=" for one in setting_names() if one.startswith(incomplete)]
    value: Any = RunConfig().to_dict()
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return [] if value is None else [found for found in [f"{name}={value}"] if found.startswith(incomplete)]


def complete_rival(ctx: Any, incomplete: str) -> list[str]:
    """Return names of rivals, after the last comma of a list."""
    from gmt.rivals.registry import RIVALS

    return _listed(["all", "none", *RIVALS], incomplete)


def complete_source(ctx: Any, incomplete: str) -> list[str]:
    """Return the sources of `gmt prep`, and the recipes that ship with it."""
    from data_prep.recipes.recipe_files import PREFIX, shipped
    from data_prep.sources.source_registry import SOURCES

    return [name for name in (*SOURCES, *(PREFIX + name for name in shipped())) if name.startswith(incomplete)]


def _run(ctx: Any) -> Path:
    """Return the run that the command line names before the word begun."""
    return Path(ctx.params.get("run") or DEMO_RUN)


def _listed(names: list[str], incomplete: str) -> list[str]:
    """Return lists with one more name, those left out that stand there already."""
    before, comma, last = incomplete.rpartition(",")
    had = before.split(",")
    return [before + comma + name for name in names if name.startswith(last) and name not in had]


def _folders(incomplete: str, mark: str) -> list[str]:
    """Return folders that hold a file, and others that hold folders, where there is no such one."""
    above = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    begun = "" if incomplete.endswith("/") else Path(incomplete).name
    try:
        near = sorted(one for one in above.iterdir() if one.is_dir() and one.name.startswith(begun or ""))
    except OSError:
        return []
    near = [one for one in near if begun.startswith(".") or not one.name.startswith(".")]
    return [str(one) if (one / mark).is_file() else f"{one}/" for one in near if _leads(one, mark)]


def _leads(folder: Path, mark: str) -> bool:
    """Tell whether a folder holds a file, or a folder that may."""
    try:
        return (folder / mark).is_file() or any(one.is_dir() for one in folder.iterdir())
    except OSError:
        return False


def _told(run: Path, table: str) -> Iterator[str]:
    """Yield names of what was added to a run after its training, where its own database holds it."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{run / STATE}?mode=ro", uri=True)) as database,
    ):
        yield from (name for (name,) in database.execute(f"select name from {table}"))
