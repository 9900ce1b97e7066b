"""Make a data folder: read a source, split it, give every text a vector, and write it whole or not at all."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from data_prep.card import describe, file_sha256
from data_prep.pool import describe_models, unmatched
from data_prep.read.row import Rejected
from data_prep.recipes.recipe import Recipe
from data_prep.recipes.recipe_files import is_recipe
from data_prep.repeats import said_again
from data_prep.sources.recipe_source import RecipeSource
from data_prep.sources.source import RawData, Source, SourceOptions
from data_prep.sources.source_registry import ON_RAY, load_source, refuse_unread
from data_prep.table_vectors import embed_table
from gmt.data.encoders import Progress
from gmt.data.interactions import InteractionTable
from gmt.data.vocabulary import Names
from gmt.errors import DataError
from gmt.files import (
    ALIVE,
    alive,
    clear_dead,
    names_locked,
    part_of,
    replace_file,
    replace_folder,
    restore_folder,
    write_json,
    write_text,
)

# What a preparation owns and may replace; all else in the folder is kept.
WRITTEN = (
    "interactions.parquet",
    "models.json",
    "card.json",
    "rejected.csv",
    "recipe.yaml",
    "users.json",
    "embeddings",
)


@dataclass(frozen=True)
class PrepOptions:
    """Hold the settings of one preparation.

    Args:
        source: Name of the source.
        out: The data folder to write.
        input: File, folder or `hub:<dataset id>`; None for sources that make their data.
        encoder: Name of the text encoder; None keeps the embeddings of the source where it brings
            those of queries and models, and is `minilm` elsewhere.
        protocol, fractions, seed: How comparisons are split; without a protocol as the source says
            (`given`), or `seen` where it says nothing.
        models: JSON or YAML file of model descriptions and prices.
        drop_bad_rows: Write the table without the rows that could not be read.
        columns: What the source itself wants to know.
        recipe: How the input is read, in place of what the source says.
    """

    source: str
    out: Path
    input: str | Path | None = None
    encoder: str | None = None
    protocol: str | None = None
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0
    models: Path | None = None
    drop_bad_rows: bool = False
    columns: SourceOptions = field(default_factory=SourceOptions)
    recipe: Recipe | None = None


def prepare(
    options: PrepOptions,
    progress: Callable[[int], Progress] | None = None,
    on_rejected: Callable[[Sequence[Rejected]], None] | None = None,
) -> dict[str, Any]:
    """Write `interactions.parquet`, `models.json`, `card.json`, `rejected.csv` and `embeddings/`.

    Everything is written beside the folder and takes its place at the end, so a preparation that
    fails leaves the data that was there; only `rejected.csv` is renewed then.

    Args:
        options: The settings.
        progress: Called with the number of texts to embed; what it returns hears how many are done.
        on_rejected: Hears of the rows that could not be read, before they raise or are dropped.

    Returns:
        The data card, as written to `card.json`.

    Raises:
        DataError: The input cannot be read, or rows were rejected without `drop_bad_rows`.
    """
    # Ray must outlive the reading: texts are fetched from it while vectors are written.
    with _engine(options):
        return _prepare(options, progress, on_rejected)


def _prepare(
    options: PrepOptions,
    progress: Callable[[int], Progress] | None,
    on_rejected: Callable[[Sequence[Rejected]], None] | None,
) -> dict[str, Any]:
    from data_prep.splits import assign

    # 1. Read, and stop at bad rows before anything is written or encoded.
    if options.recipe is not None:
        source: Source = RecipeSource(options.recipe)
    else:
        source = load_source(options.source)
        refuse_unread(options.source, options.columns)
    data = source.read(options.input, options.columns)
    if data.rejected and on_rejected is not None:
        on_rejected(data.rejected)
    _refuse_bad_rows(data, options)
    # 2. A split that the source states is others' too: results compare only on the same one, so it is the default.
    protocol = options.protocol or ("seen" if data.splits is None else "given")
    if protocol == "given" and data.splits is None:
        raise DataError(
            f"{options.input or options.source} does not say what is train and what is test; name a protocol"
        )
    table = data.as_table()
    table = table.with_split(assign(table, protocol, options.fractions, options.seed))
    # 3. Resolved, so that a link is followed: its target is replaced and the link stays.
    out = Path(options.out).resolve()
    if out.exists() and not out.is_dir():
        raise DataError(f"{options.out} is a file; name a folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    restore_folder(out)
    # 4. Beside the target and so on one file system, where a rename is atomic.
    folder = part_of(out)
    with ExitStack() as stack:
        with names_locked(out):  # so that nobody takes the folder for that of a dead command before it is marked
            clear_dead(out)
            folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(alive(folder))
        card = _write(folder, table, data, options, protocol, progress)
        # After all is written, so that a new file goes before one of its name that lay there.
        _keep_files_of_others(out, folder)
        with names_locked(out):
            (folder / ALIVE).unlink()
            replace_folder(folder, out)
    return card


def _write(
    folder: Path,
    table: InteractionTable,
    data: RawData,
    options: PrepOptions,
    protocol: str,
    progress: Callable[[int], Progress] | None,
) -> dict[str, Any]:
    """Write a data folder and return its card."""
    models = describe_models(table.models, data.models, options.models)
    encoder = options.encoder, options.columns.workers
    # Vectors before the table, for on Ray the texts themselves only come here while they are encoded.
    vectors = embed_table(folder / "embeddings", table, models, data, options.input, *encoder, progress)
    table.grown(texts=cast(Names, vectors.texts)).write(folder / "interactions.parquet")
    # The spool lies in the folder and must be gone before files are listed and summed.
    vectors.clean_up()
    write_json(folder / "models.json", {name: info.to_json() for name, info in models.items()})
    _write_rejected(folder / "rejected.csv", data.rejected)
    for name, text in data.extras.items():
        write_text(folder / name, text)
    card = {
        "source": options.source,
        "protocol": protocol,
        "fractions": list(options.fractions),
        "seed": options.seed,
        **describe(table, data, vectors.encoder, options.input),
        # Stated only where it holds, so that cards of other data stay what they were.
        **({"answers_shown": True} if data.answers_shown else {}),
        "notes": [*data.notes, *vectors.notes, *unmatched(table.models, options.models), *said_again(table)],
        "files": {
            path.relative_to(folder).as_posix(): file_sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ALIVE
        },
    }
    # Last, since it holds the sums of all other files.
    write_json(folder / "card.json", card)
    return card


def _engine(options: PrepOptions) -> AbstractContextManager[None]:
    """Return what must run while a source is read and encoded."""
    if options.columns.engine == "local":
        return nullcontext()
    if options.source not in ON_RAY and not is_recipe(options.source):
        raise DataError(
            f"the source {options.source} is read by the local engine only; --engine ray reads {', '.join(ON_RAY)}"
        )
    from data_prep.read.on_ray import session

    return session(options.columns.workers)


def _refuse_bad_rows(data: RawData, options: PrepOptions) -> None:
    bad = data.rejected
    good = data.rows if data.rows is not None else len(data)
    if bad and not options.drop_bad_rows:
        # The one file that is written where nothing else is: without it the rows could not be found.
        _write_rejected(Path(options.out) / "rejected.csv", bad)
        more = "" if len(bad) == 1 else f"{len(bad) - 1:,} more are bad and "
        others = f"{more}{good:,} other rows are fine; fix {'it' if len(bad) == 1 else 'them'} or pass --drop-bad-rows."
        raise DataError(f"{str(bad[0]).rstrip('.')}. {others}")
    if not len(data):
        reason = f" ({len(bad):,} rows are bad, the first {bad[0]})" if bad else ""
        raise DataError(f"{options.input or options.source} holds no comparison{reason}; expected one or more")


def _write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    def write(part: Path) -> None:
        # Bad rows may hold half characters, which is why they are bad; they are shown escaped.
        with part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "line", "reason"])
            writer.writerows((row.file, row.line, row.reason) for row in rejected)

    replace_file(path, write)


def _keep_files_of_others(old: Path, new: Path) -> None:
    """Bring along what lies in a data folder and is not ours to delete; nothing is moved, so nothing can get lost."""
    for path in sorted(old.iterdir()) if old.is_dir() else ():
        kept = new / path.name
        if path.name in WRITTEN or kept.exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, kept, symlinks=True, copy_function=_link)
        else:
            _link(path, kept)


def _link(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, or copy it where the file system has no such thing."""
    try:
        # A link costs nothing for large files, and neither name depends on the other.
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
