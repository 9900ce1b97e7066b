"""Give every text and model of a table a vector: the source's own, or those of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data_prep.card import input_sha256
from data_prep.sources.source import RawData
from gmt.data.dataset import ModelInfo
from gmt.data.embed import embed_texts
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import EncoderCard, Progress, card_of
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore, key_of
from gmt.errors import DataError

DEFAULT_ENCODER = "minilm"
SPOOL = ".texts.arrow"
"""Holds texts read on Ray until the table is written."""


@dataclass(frozen=True, eq=False)
class TableVectors:
    """Say who made the vectors.

    Args:
        encoder: The encoder.
        texts: The texts of the table, wherever they were.
        notes: What there is to say about the choice.
        spool: A file that `texts` are read from, where there is one.
    """

    encoder: EncoderCard
    texts: Sequence[str]
    notes: Sequence[str] = field(default_factory=list)
    spool: Path | None = None

    def clean_up(self) -> None:
        """Remove the spool; the texts may not be read any more."""
        if self.spool is not None:
            self.spool.unlink(missing_ok=True)


def embed_table(
    folder: Path,
    table: InteractionTable,
    models: Mapping[str, ModelInfo],
    data: RawData,
    input: str | Path | None,
    encoder: str | None = None,
    workers: int = 1,
    progress: Callable[[int], Progress] | None = None,
) -> TableVectors:
    """Fill and save the store of a table.

    Args:
        folder: Where the store belongs.
        table: The comparisons.
        models: Model -> what describes it.
        data: What the source read.
        input: The file or folder that it read.
        encoder: Name of the encoder; None keeps the vectors of the source where it brings them.
        workers: Processes that encode.
        progress: Called with the number of texts to embed; what it returns hears how many are done.

    Raises:
        DataError: The source brings vectors and lacks that of a query or model, or there is no such encoder.
    """
    notes: list[str] = []
    if encoder is None and data.vectors is not None:
        name = Path(str(input)).name
        # 1. The source's own vectors, where nothing else was asked for: results compare only on the same ones.
        silent = _without_vector(table, data.vectors, data.model_vectors or {}, name)
        if silent:
            notes.append(
                f"{silent} texts have no embedding in {name} and count as not written; the embeddings of queries and "
                f"models are kept, and --encoder {DEFAULT_ENCODER} would encode all texts anew"
            )
        return replace(_keep_vectors(folder, table, models, data, Path(str(input))), notes=notes)
    # 2. Else an encoder, told apart by where the texts are.
    loaded = load_encoder(encoder or DEFAULT_ENCODER)
    store = EmbeddingStore.create(folder, card_of(loaded))
    descriptions = [models[name].description for name in table.models]
    hear = None if progress is None else progress(len(table.texts) + len(set(descriptions)))
    texts, spool = table.texts, None
    if data.distant is None:
        keys, here = [key_of(text) for text in texts], [*texts, *descriptions]
    else:  # the table holds keys
        keys, here, spool = table.texts, descriptions, folder.parent / SPOOL
        texts = data.distant.fetch(keys, store, loaded.id, spool, hear)
    embed_texts(loaded, here, store, hear, workers)
    store.save([keys[code] for code in table.text_order])  # so that they are read side by side
    return TableVectors(store.encoder, texts, notes, spool)


def _keep_vectors(
    folder: Path, table: InteractionTable, models: Mapping[str, ModelInfo], data: RawData, input: Path
) -> TableVectors:
    """Save the source's own vectors, each of length 1; an answer that has none gets zeros, which say so."""
    vectors, model_vectors = data.vectors or {}, data.model_vectors or {}
    card = EncoderCard(f"file:{input.name}", input_sha256(input), len(next(iter(vectors.values()))))
    store = EmbeddingStore.create(folder, card)
    # Zeros are of no direction: every inner product with such a text is 0.
    none = np.zeros(card.width, np.float32)
    store.add(list(table.texts), _units([vectors.get(text, none) for text in table.texts]))
    descriptions = [models[name].description for name in table.models]
    store.add(descriptions, _units([model_vectors[name] for name in table.models]))
    store.save()
    return TableVectors(card, table.texts)


def _without_vector(
    table: InteractionTable, vectors: Mapping[str, np.ndarray], model_vectors: Mapping[str, np.ndarray], file: str
) -> int:
    """Return how many answers and remarks lack a vector, as all answers do in the released files.

    Raises:
        DataError: A query or a model lacks one: the file is damaged.
    """
    # Only queries must have vectors: a router always reads the query, and can do without an answer.
    stated = {table.texts[code] for code in np.unique(table.query)}
    queries = [text for text in stated if text not in vectors]
    names = [name for name in table.models if name not in model_vectors]
    if queries or names:
        raise DataError(
            f"{file} lacks the embedding of {len(queries)} of {len(stated)} queries and {len(names)} of "
            f"{len(table.models)} models; pass --encoder {DEFAULT_ENCODER} to encode all texts anew"
        )
    return sum(text not in vectors for text in table.texts)


def _units(vectors: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.stack(vectors).astype(np.float32)
    length = np.linalg.norm(stacked, axis=1, keepdims=True)
    # Zeros stay zeros.
    return stacked / np.where(length > 0, length, 1)
