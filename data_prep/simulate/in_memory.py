"""Split and embed a table in memory, for studies that make many populations in one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.splits import assign
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.embed import embed_texts
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import TextEncoder, card_of
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore


def embedded(
    table: InteractionTable, models: Mapping[str, ModelInfo], encoder: str | TextEncoder, card: Mapping[str, Any]
) -> Dataset:
    """Give every text and model a vector and join them with the table; nothing is written to a data folder.

    Args:
        table: The comparisons with their split.
        models: A card for every model.
        encoder: A name that `gmt prep --encoder` takes, or an encoder.
        card: What the data card would say.
    """
    coder = load_encoder(encoder) if isinstance(encoder, str) else encoder
    store = EmbeddingStore.create(Path("memory"), card_of(coder))  # never saved
    embed_texts(coder, [*table.texts, *(models[name].description for name in table.models)], store)
    return Dataset.from_store(table, models, store, card)


def split_and_embedded(
    table: InteractionTable,
    models: Mapping[str, ModelInfo],
    encoder: str | TextEncoder,
    fractions: Sequence[float],
    card: Mapping[str, Any],
) -> Dataset:
    """Split a table as `gmt prep` would, and join it with its vectors as `embedded` does.

    Args:
        table: The comparisons.
        models: A card for every model.
        encoder: A name that `gmt prep --encoder` takes, or an encoder.
        fractions: Shares of TRAIN, VALID and TEST.
        card: What the data card would say; its protocol and seed draw the split.
    """
    split = assign(table, card["protocol"], fractions, card["seed"])
    return embedded(table.with_split(split), models, encoder, card)
