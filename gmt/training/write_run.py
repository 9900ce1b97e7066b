"""Write what routing needs beside the trained parts into the folder of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.data.rounds_seen import TrainedRounds
from gmt.data.schema import graph_schema
from gmt.data.store import EmbeddingStore, key_of
from gmt.data.stored_texts import StoredTexts
from gmt.data.vocabulary import Names
from gmt.errors import DataError
from gmt.files import write_json, write_text
from gmt.manifest import FORMAT
from gmt.runs import RunFolder

PACKAGES = ("gmt-router", "torch", "torch-geometric", "transformers", "accelerate", "numpy", "scipy")
"""What decides the numbers of a run."""
TEXTS_AT_ONCE = 16_384


def card_hash(folder: Path) -> str:
    """Return the sha256 of a data folder's card, which itself holds the hashes of its files.

    Raises:
        DataError: There is no card.
    """
    path = Path(folder) / "card.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no card.json; make the folder with gmt prep --out {folder}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def first_card(data: Dataset, folder: Path, fingerprint: str, config: RunConfig) -> dict[str, Any]:
    """Return what the card of a run says before anything is fitted."""
    schema = graph_schema(config.graph)
    return {
        "format": FORMAT,
        "name": folder.resolve().name,
        "protocol": data.card.get("protocol", "seen"),
        "seed": config.seed,
        # Stated only where it holds, so that cards of other runs stay what they were.
        **({"answers_shown": True} if data.answers_shown else {}),
        "data": {"path": str(folder), "sha256": fingerprint, "seed": data.card.get("seed")},
        "encoder": {"id": data.encoder.id, "revision": data.encoder.revision, "width": data.encoder.width},
        "schema": {"node_types": list(schema.node_types), "edge_types": [list(edge) for edge in schema.edge_types]},
        "models": list(data.table.models),
        "tasks": list(data.table.tasks),
        "versions": _versions(),
    }


def write_inputs(
    data: Dataset,
    config: RunConfig,
    card: Mapping[str, Any],
    made: RunFolder,
    more: tuple[list[str], np.ndarray] | None = None,
) -> None:
    """Write settings, the TRAIN rows, which rounds are seen, the model cards and the vectors of their texts.

    The same is written again where a training is gone on with, for the last one may have been killed in between.

    Args:
        data: All of the data.
        config: Settings.
        card: What is known before anything is fitted.
        made: Where to.
        more: Further texts, and their vectors, that votes kept from an earlier run need.
    """
    write_text(made.config, yaml.safe_dump(config.to_dict(), sort_keys=False))
    write_json(made.card, card)
    seen_rounds(data).write(made.trained)
    history = data.select(data.table.split == TRAIN)
    (history.table if config.state.texts else history.table.without_texts()).write(made.history)
    write_json(made.models, {name: data.models[name].to_json() for name in data.table.models})
    store = EmbeddingStore.create(made.embeddings, data.encoder)
    table = history.table
    # A selected table keeps all texts in its vocabulary; only those it uses are needed to route.
    used = np.unique(np.concatenate([table.query, table.response, table.feedback]))
    used = used[used >= 0]
    # In parts, for texts and vectors of a large table do not fit in memory together.
    for part in np.array_split(used, len(used) // TEXTS_AT_ONCE + 1):
        store.add_keys(keys_of_texts(table.texts, part.tolist()), data.vectors[part])
    store.add([data.models[name].description for name in table.models], data.model_vectors)
    if more is not None:
        store.add(*more)
    store.save()


def keys_of_texts(texts: Names, codes: Sequence[int]) -> list[str]:
    """Return the keys by which a store knows some texts."""
    if isinstance(texts, StoredTexts):
        return texts.keys(codes)
    return [key_of(texts[code]) for code in codes]


def seen_rounds(data: Dataset) -> TrainedRounds:
    """Return the hashes of the rounds that training sees: all but TEST."""
    return TrainedRounds.of(data.table.select(data.table.split != TEST))


def _versions() -> dict[str, str]:
    """Return the versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
