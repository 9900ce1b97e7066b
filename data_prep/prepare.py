"""Make a data folder: read a source, split it, give every text a vector, and write it whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.card import describe, file_sha256, input_sha256
from data_prep.pool import describe_models
from data_prep.read.row import Rejected
from data_prep.sources.source import RawData, SourceOptions
from data_prep.sources.source_registry import ON_RAY, load_source
from gmt.data.dataset import ModelInfo
from gmt.data.embed import EmbeddingStore, EncoderCard, Progress, card_of, embed_texts, key_of, load_encoder
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

DEFAULT_ENCODER = "minilm"
SPOOL = ".texts.arrow"
"""Holds texts read on Ray until the table is written."""
WRITTEN = ("interactions.parquet", "models.json", "card.json", "rejected.csv", "embeddings")


@dataclass(frozen=True)
class PrepOptions:
    """Hold the settings of one preparation.

    Args:
        source: Name of the source.
        out: The data folder to write.
        input: File, folder or `hub:<dataset id>`; None for sources that make their data.
        encoder: Name of the text encoder; None keeps the embeddings of the source where it brings
            them all, and is `minilm` elsewhere.
        protocol, fractions, seed: How comparisons are split; without a protocol as the source says
            (`given`), or `seen` where it says nothing.
        models: JSON file of model descriptions and prices.
        drop_bad_rows: Write the table without the rows that could not be read.
        columns: What the source itself wants to know.
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
    with _engine(options):
        return _prepare(options, progress, on_rejected)


def _prepare(
    options: PrepOptions,
    progress: Callable[[int], Progress] | None,
    on_rejected: Callable[[Sequence[Rejected]], None] | None,
) -> dict[str, Any]:
    from data_prep.splits import assign

    data = load_source(options.source).read(options.input, options.columns)
    if data.rejected and on_rejected is not None:
        on_rejected(data.rejected)
    _refuse_bad_rows(data, options)
    protocol = options.protocol or ("seen" if data.splits is None else "given")
    if protocol == "given" and data.splits is None:
        raise DataError(
            f"{options.input or options.source} does not say what is train and what is test; name a protocol"
        )
    table = data.as_table()
    table = table.with_split(assign(table, protocol, options.fractions, options.seed))
    models = describe_models(table.models, data.models, options.models)
    out = Path(options.out).resolve()
    if out.exists() and not out.is_dir():
        raise DataError(f"{options.out} is a file; name a folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}-{uuid.uuid4().hex}")
    try:
        encoder, notes, texts = _embed(folder / "embeddings", table, models, data, options, progress)
        table.grown(texts=texts).write(folder / "interactions.parquet")
        (folder / SPOOL).unlink(missing_ok=True)
        _write_json(folder / "models.json", {name: info.to_json() for name, info in models.items()})
        _write_rejected(folder / "rejected.csv", data.rejected)
        for name, text in data.extras.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        card = {
            "source": options.source,
            "protocol": protocol,
            "fractions": list(options.fractions),
            "seed": options.seed,
            **describe(table, data, encoder, options.input),
            "notes": [*data.notes, *notes],
            "files": {
                path.relative_to(folder).as_posix(): file_sha256(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        }
        _write_json(folder / "card.json", card)
        _take_place(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return card


def _engine(options: PrepOptions) -> AbstractContextManager[None]:
    """Return what must run while a source is read and encoded."""
    if options.columns.engine == "local":
        return nullcontext()
    if options.source not in ON_RAY:
        raise DataError(
            f"the source {options.source} is read by the local engine only; --engine ray reads {', '.join(ON_RAY)}"
        )
    from data_prep.read.on_ray import session

    return session(options.columns.workers)


def _refuse_bad_rows(data: RawData, options: PrepOptions) -> None:
    bad = data.rejected
    good = data.rows if data.rows is not None else len(data)
    if bad and not options.drop_bad_rows:
        _write_rejected(Path(options.out) / "rejected.csv", bad)
        more = "" if len(bad) == 1 else f"{len(bad) - 1:,} more are bad and "
        others = f"{more}{good:,} other rows are fine; fix {'it' if len(bad) == 1 else 'them'} or pass --drop-bad-rows."
        raise DataError(f"{str(bad[0]).rstrip('.')}. {others}")
    if not len(data):
        reason = f" ({len(bad):,} rows are bad, the first {bad[0]})" if bad else ""
        raise DataError(f"{options.input or options.source} holds no comparison{reason}; expected one or more")


def _embed(
    folder: Path,
    table: InteractionTable,
    models: dict[str, ModelInfo],
    data: RawData,
    options: PrepOptions,
    progress: Callable[[int], Progress] | None,
) -> tuple[EncoderCard, list[str], Sequence[str]]:
    """Fill and save the store; return the encoder, what there is to say about the choice, and the texts."""
    descriptions = [models[name].description for name in table.models]
    notes: list[str] = []
    if options.encoder is None and data.vectors is not None:
        silent = _without_vector(table, data, options)
        if not silent:
            card = EncoderCard(f"file:{Path(str(options.input)).name}", input_sha256(str(options.input)), _width(data))
            store = EmbeddingStore.create(folder, card)
            store.add(list(table.texts), _units([data.vectors[text] for text in table.texts]))
            store.add(descriptions, _units([(data.model_vectors or {})[name] for name in table.models]))
            store.save()
            return card, notes, table.texts
        notes.append(
            f"{silent} answers have no embedding in {Path(str(options.input)).name}, so all texts were "
            f"encoded anew with {DEFAULT_ENCODER}"
        )
    encoder = load_encoder(options.encoder or DEFAULT_ENCODER)
    store = EmbeddingStore.create(folder, card_of(encoder))
    hear = None if progress is None else progress(len(table.texts) + len(set(descriptions)))
    texts: Sequence[str] = table.texts
    if data.distant is None:
        keys, here = [key_of(text) for text in texts], [*texts, *descriptions]
    else:  # the table holds keys
        keys, here = table.texts, descriptions
        texts = data.distant.fetch(keys, store, encoder.id, folder.parent / SPOOL, hear)
    embed_texts(encoder, here, store, hear, options.columns.workers)
    store.save([keys[code] for code in table.text_order])  # so that they are read side by side
    return store.encoder, notes, texts


def _without_vector(table: InteractionTable, data: RawData, options: PrepOptions) -> int:
    """Return how many answers lack a vector, as they all do in the released files.

    Raises:
        DataError: A query or a model lacks one: the file is damaged.
    """
    vectors, model_vectors = data.vectors or {}, data.model_vectors or {}
    asked = {table.texts[code] for code in np.unique(table.query)}
    queries = [text for text in asked if text not in vectors]
    names = [name for name in table.models if name not in model_vectors]
    if queries or names:
        raise DataError(
            f"{Path(str(options.input)).name} lacks the embedding of {len(queries)} of {len(asked)} queries and "
            f"{len(names)} of {len(table.models)} models; pass --encoder {DEFAULT_ENCODER} to encode all texts anew"
        )
    return sum(text not in vectors for text in table.texts)


def _units(vectors: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.stack(vectors).astype(np.float32)
    length = np.linalg.norm(stacked, axis=1, keepdims=True)
    return stacked / np.where(length > 0, length, 1)


def _width(data: RawData) -> int:
    return len(next(iter((data.vectors or {}).values())))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason"])
        writer.writerows((row.file, row.line, row.reason) for row in rejected)


def _take_place(folder: Path, out: Path) -> None:
    """Move a finished folder to `out`; what lay there goes only once the new one stands."""
    old = out.with_name(f".{out.name}-old-{uuid.uuid4().hex}")
    if out.exists():
        out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    if old.exists():
        for kept in [path for path in old.iterdir() if path.name not in WRITTEN and not (out / path.name).exists()]:
            kept.rename(out / kept.name)  # somebody else's file is not ours to delete
        shutil.rmtree(old, ignore_errors=True)
