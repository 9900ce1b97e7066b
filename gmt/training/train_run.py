"""Train a run from a data folder and write everything that routing needs into its folder."""

from __future__ import annotations

import dataclasses
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.embed import EmbeddingStore
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.data.schema import graph_schema
from gmt.errors import DataError, RunError
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.files import write_json, write_text
from gmt.hybrid.gmt_router import ClosedForm, GmtRouter, new_posterior, save_posterior
from gmt.hybrid.graph_router import GraphRouter
from gmt.routing.pairwise import fit_temperature
from gmt.runs import RunFolder, read_json
from gmt.training.accelerator import new_accelerator
from gmt.training.learn_traits import learn_traits
from gmt.training.train_network import Report, train_scorer
from gmt.training.training_progress import resumable
from gmt.training.validation import Validation, pair_losses, paired_gain
from gmt.utility.utility_router import UtilityRouter

WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 5.0)
"""What the network's scores may be multiplied by beside the posterior."""


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
    router, found = fit_parts(learn, config, run, resume, report)
    card |= found
    card |= _validated(router, learn)
    if processes.is_main_process:
        if router.posterior is not None:
            save_posterior(router.posterior, run)
        write_json(run.card, card)
    processes.wait_for_everyone()
    return card


def fit_parts(
    learn: Dataset, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> tuple[GmtRouter, dict[str, Any]]:
    """Fit whatever parts of the router the settings ask for, and join them.

    Args:
        learn: TRAIN and VALID comparisons.
        config: Settings.
        run: Where the network's checkpoints go.
        resume, report: As in `train_run`.

    Returns:
        The router, and what its run's card says of the fit.
    """
    card: dict[str, Any] = {}
    learn = learn if config.graph.texts else learn.without_vectors()
    graph, posterior = None, new_posterior(config)
    notes: list[str] = []
    if config.posterior.network:
        scorer, progress = train_scorer(learn, config, run, resume, report)
        graph = GraphRouter(scorer, config.graph, next(scorer.parameters()).device)
        card["best"] = {
            "step": progress.best_step,
            "valid_auc": None if np.isinf(progress.best_auc) else progress.best_auc,
            "valid_accuracy": None if np.isnan(progress.best_accuracy) else progress.best_accuracy,
            "steps": progress.step,
            "seconds": round(progress.seconds, 1),
        }
    if posterior is not None:
        posterior.fit(learn)
        if isinstance(posterior, UtilityRouter):
            card["posterior"] = {"half_life": posterior.half_life, "text_variance": posterior.text_variance}
        else:
            if posterior.settings.half_life:
                life = posterior.settings.half_life
                notes.append(f"Tastes wander: after {life:g} more ratings half of a taste is another.")
            if config.traits.enabled:
                posterior, note = learn_traits(posterior, learn, config)
                notes.append(note)
            card["posterior"] = dataclasses.asdict(posterior.settings)
    router, said = join_parts(posterior, graph, learn)
    router.texts = config.graph.texts
    card["notes"] = [*notes, *said]
    card["network_weight"] = router.weight
    return router, card


def join_parts(posterior: ClosedForm | None, graph: GraphRouter | None, data: Dataset) -> tuple[GmtRouter, list[str]]:
    """Choose how much the network adds to the posterior, on the VALID votes given the TRAIN ones.

    The network must lower the log loss by more than two standard errors of the paired difference,
    for its weights were chosen on the same votes; else it is switched off.

    Returns:
        The router, and what there is to say about the choice.
    """
    if posterior is None or graph is None:
        return GmtRouter(posterior, graph, 0.0 if graph is None else 1.0), []
    asked = Validation.of(data)
    if asked is None:
        return GmtRouter(posterior, graph, 0.0), ["There is no vote to validate on: the network is switched off."]
    base, extra = asked.differences(posterior), asked.differences(graph)
    losses = {weight: pair_losses(base + weight * extra) for weight in WEIGHTS}
    best = min(losses, key=lambda weight: losses[weight].mean())
    gain, doubt = paired_gain(losses[0.0], losses[best])
    found = f"on validation it lowers the log loss by {gain:.4f} ± {doubt:.4f}"
    if gain <= doubt:
        return GmtRouter(posterior, graph, 0.0), [f"The network is switched off: {found}."]
    return GmtRouter(posterior, graph, best), [f"The network joins with weight {best:g}: {found}."]


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
    for path in (run.weights, run.posterior, run.card, run.metrics):
        path.unlink(missing_ok=True)


def _card(data: Dataset, folder: Path, fingerprint: str, config: RunConfig) -> dict[str, Any]:
    schema = graph_schema(config.graph)
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


def _validated(router: GmtRouter, data: Dataset) -> dict[str, Any]:
    """Return the router's AUC, accuracy and temperature on the VALID votes given the TRAIN ones."""
    valid = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    gap = np.zeros(0)
    if len(valid):
        scores = router.score(data.select(data.table.split == TRAIN), data.questions(valid))
        gap = pairs_of(data.table.ratings[valid]).differences(scores)
    if not len(gap):
        return {"temperature": None, "valid": None}
    auc = float(weighted_auc(gap, np.zeros(len(gap), np.int64), np.ones((1, 1)))[0])
    accuracy = float(np.mean((gap > 0) + 0.5 * (gap == 0)))
    return {"temperature": fit_temperature(gap), "valid": {"auc": auc, "accuracy": accuracy}}
