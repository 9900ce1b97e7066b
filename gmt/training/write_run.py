"""Write what routing needs beside the trained parts into a run folder, and clear what an earlier run left there."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.data.schema import graph_schema
from gmt.data.store import EmbeddingStore
from gmt.errors import DataError, RunError
from gmt.files import write_json
from gmt.runs import RunFolder

PACKAGES = ("gmt-router", "torch", "torch-geometric", "transformers", "accelerate", "numpy", "scipy")
"""What decides the numbers of a run."""


def card_hash(folder: Path) -> str:
    """Return the sha256 of a data folder's card, which itself holds the hashes of its files.

    Raises:
        DataError: There is no card.
    """
    path = Path(folder) / "card.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no card.json; make the folder with gmt prep --out {folder}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clear_run(run: RunFolder) -> None:
    """Remove what an earlier training left; users and results of another model must not pass for this one's.

    Raises:
        RunError: The folder is none, or holds files that are not a run's.
    """
    if run.root.exists() and not run.root.is_dir():
        raise RunError(f"{run.root} is a file; name a folder with --run")
    if run.root.exists() and any(run.root.iterdir()) and not run.config.is_file():
        raise RunError(f"{run.root} holds other files; name an empty folder or an earlier run with --run")
    for path in (run.last, run.results, run.users, run.embeddings):
        shutil.rmtree(path, ignore_errors=True)
    for path in (run.weights, run.posterior, run.card, run.metrics):
        path.unlink(missing_ok=True)


def first_card(data: Dataset, folder: Path, fingerprint: str, config: RunConfig) -> dict[str, Any]:
    """Return what the card of a run says before anything is fitted."""
    schema = graph_schema(config.graph)
    return {
        "name": folder.resolve().name,
        "protocol": data.card.get("protocol", "seen"),
        "seed": config.seed,
        "data": {"path": str(folder), "sha256": fingerprint, "seed": data.card.get("seed")},
        "encoder": {"id": data.encoder.id, "revision": data.encoder.revision, "width": data.encoder.width},
        "schema": {"node_types": list(schema.node_types), "edge_types": [list(edge) for edge in schema.edge_types]},
        "models": list(data.table.models),
        "versions": _versions(),
    }


def write_history(data: Dataset, run: RunFolder) -> None:
    """Keep the TRAIN rows, the model cards and the vectors of their texts."""
    history = data.select(data.table.split == TRAIN)
    history.table.write(run.history)
    write_json(run.models, {name: data.models[name].to_json() for name in data.table.models})
    store = EmbeddingStore.create(run.embeddings, data.encoder)
    table = history.table
    # A selected table keeps all texts in its vocabulary; only those it uses are needed to route.
    used = np.unique(np.concatenate([table.query, table.response, table.feedback]))
    used = used[used >= 0]
    store.add([table.texts[code] for code in used], data.vectors[used])
    store.add([data.models[name].description for name in table.models], data.model_vectors)
    store.save()


def _versions() -> dict[str, str]:
    """Return the versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
