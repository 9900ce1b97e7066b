"""Train a run from a data folder and write everything that routing needs into its folder."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.embed import EmbeddingStore
from gmt.data.graph import turn_schema
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import DataError, RunError
from gmt.evaluation.metrics import pairs_of
from gmt.routing.gmt_router import GmtRouter
from gmt.routing.graph_router import GraphRouter
from gmt.routing.votes import fit_temperature
from gmt.runs import RunFolder, read_json, write_json, write_text
from gmt.training.train import Report, new_accelerator, resumable, train_scorer


def train_run(
    folder: Path, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> dict[str, Any]:
    """Train on a data folder and write the run folder.

    Args:
        folder: Data folder made by `gmt prep`.
        config: Settings.
        run: Where to write.
        resume: Go on from the run's last checkpoint.
        report: Called with every step's numbers.

    Returns:
        The run's card.

    Raises:
        DataError: The data folder is missing or damaged.
        RunError: The run was made for other data or settings.
    """
    data = Dataset.load(folder)
    fingerprint = card_hash(folder)
    if resume and run.card.is_file() and read_json(run.card)["data"]["sha256"] != fingerprint:
        raise RunError(f"{run.root} was trained on other data than {folder}; resume with the data it was started with")
    if resume:
        resumable(run, config)  # nothing is written before the run is known to fit
    learn = data.select(data.table.split != TEST)
    card = _card(data, folder, fingerprint, config)
    processes = new_accelerator(config)
    if processes.is_main_process:
        if not resume:  # a resumed run keeps the people and models that were added to it
            _clear(run)
            write_text(run.config, yaml.safe_dump(config.to_dict(), sort_keys=False))
            _write_history(data, run)
        write_json(run.card, card)
    processes.wait_for_everyone()
    scorer, progress = train_scorer(learn, config, run, resume, report)
    router = GmtRouter(GraphRouter(scorer, config.graph, next(scorer.parameters()).device))
    card["temperature"] = _temperature(router, learn)
    card["best"] = {
        "step": progress.best_step,
        "valid_auc": None if np.isinf(progress.best_auc) else progress.best_auc,
        "valid_accuracy": None if np.isnan(progress.best_accuracy) else progress.best_accuracy,
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
    }
    write_json(run.card, card)
    return card


def card_hash(folder: Path) -> str:
    """Return the sha256 of a data folder's card, which itself holds the hashes of its files."""
    path = Path(folder) / "card.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no card.json; make the folder with gmt prep --out {folder}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what decides the numbers of a run."""
    found = {}
    for name in ("gmt-router", "torch", "torch-geometric", "transformers", "accelerate", "numpy", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def _clear(run: RunFolder) -> None:
    """Remove what an earlier training left; people and results of another model must not pass for this one's."""
    import shutil

    if run.root.exists() and not run.root.is_dir():
        raise RunError(f"{run.root} is a file; name a folder with --run")
    if run.root.exists() and any(run.root.iterdir()) and not run.config.is_file():
        raise RunError(f"{run.root} holds other files; name an empty folder or an earlier run with --run")
    for path in (run.last, run.results, run.users, run.embeddings):
        shutil.rmtree(path, ignore_errors=True)
    for path in (run.weights, run.card, run.metrics):
        path.unlink(missing_ok=True)


def _card(data: Dataset, folder: Path, fingerprint: str, config: RunConfig) -> dict[str, Any]:
    schema = turn_schema(config.graph.turn_edges)
    return {
        "name": folder.resolve().name,
        "protocol": data.card.get("protocol", "seen"),
        "seed": config.seed,
        "data": {"path": str(folder), "sha256": fingerprint, "seed": data.card.get("seed")},
        "encoder": {"id": data.encoder.id, "revision": data.encoder.revision, "width": data.encoder.width},
        "schema": {"node_types": list(schema.node_types), "edge_types": [list(edge) for edge in schema.edge_types]},
        "models": list(data.table.models),
        "versions": versions(),
    }


def _write_history(data: Dataset, run: RunFolder) -> None:
    """Keep the TRAIN rows, the model cards and the vectors of their texts."""
    history = data.select(data.table.split == TRAIN)
    history.table.write(run.history)
    write_json(run.models, {name: data.models[name].to_json() for name in data.table.models})
    store = EmbeddingStore.create(run.embeddings, data.encoder)
    table = history.table
    used = np.unique(np.concatenate([table.query, table.response, table.feedback]))
    used = used[used >= 0]
    store.add([table.texts[code] for code in used], data.vectors[used])
    store.add([data.models[name].description for name in table.models], data.model_vectors)
    store.save()


def _temperature(router: GmtRouter, data: Dataset) -> float | None:
    valid = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    if not len(valid):
        return None
    history = data.select(data.table.split == TRAIN)
    scores = router.score(history, data.questions(valid))
    return fit_temperature(pairs_of(data.table.ratings[valid]).differences(scores))
