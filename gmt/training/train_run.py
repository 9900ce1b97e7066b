"""Train a run from a data folder and write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import RunError
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.files import write_json, write_text
from gmt.hybrid.closed_form import save_posterior
from gmt.hybrid.gmt_router import GmtRouter
from gmt.routing.pairwise import fit_temperature
from gmt.runs import RunFolder, read_json
from gmt.training.fit_parts import fit_parts
from gmt.training.train_network import Report, new_accelerator, resumable
from gmt.training.write_run import card_hash, clear_run, first_card, write_history


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
    # 1. Nothing is written before data and run are known to fit each other.
    data = Dataset.load(folder)
    fingerprint = card_hash(folder)
    if resume and run.card.is_file() and read_json(run.card)["data"]["sha256"] != fingerprint:
        raise RunError(f"{run.root} was trained on other data than {folder}; resume with the data it was started with")
    if resume:
        resumable(run, config)
    learn = data.select(data.table.split != TEST)
    card = first_card(data, folder, fingerprint, config)

    # 2. Only one of several processes writes; the others wait, for they read what it wrote.
    processes = new_accelerator(config)
    if processes.is_main_process:
        if not resume:  # a resumed run keeps the users and models that were added to it
            clear_run(run)
            write_text(run.config, yaml.safe_dump(config.to_dict(), sort_keys=False))
            write_history(data, run)
        write_json(run.card, card)
    processes.wait_for_everyone()

    # 3. The card is written again last of all: one without `network_weight` is of a training that did not end.
    router, found = fit_parts(learn, config, run, resume, report)
    card |= found
    card |= _validated(router, learn)
    if processes.is_main_process:
        if router.posterior is not None:
            save_posterior(router.posterior, run)
        write_json(run.card, card)
    processes.wait_for_everyone()
    return card


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
