"""Bring a run of an earlier version to the present form, its scores unchanged."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import yaml

from gmt.artefacts import making, recover
from gmt.config import load_config
from gmt.data.dataset import Dataset
from gmt.data.rounds_seen import TrainedRounds, trained_rounds
from gmt.data.run_history import RunHistory
from gmt.errors import DataError, RunError
from gmt.files import write_json, write_text
from gmt.hybrid.closed_form import load_posterior, save_posterior
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import FORMAT, MANIFEST, artefacts_of, verify
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.runs import RunFolder, read_card
from gmt.training.write_run import card_hash, seen_rounds


def upgrade_run(run: RunFolder) -> bool:
    """Write a run anew under the names of today, with a manifest, and switch it in; votes and results stay.

    Returns:
        Whether anything was to be done.

    Raises:
        RunError: The run is not whole, or its training did not end.
    """
    recover(run.root)
    card = read_card(run.require().card)
    if (run.root / MANIFEST).is_file():
        verify(run.root)
        if "format" in card:
            return False
    if "network_weight" not in card:
        raise RunError(f"the training of {run.root} did not end; train it again")
    config = load_config(run.config)
    with making(run.root, drop=("last",)) as folder:
        made = RunFolder(folder)
        # 1. What nobody renamed is copied: history, vectors, models, metrics.
        for name in artefacts_of(run.root):
            if run.is_own(name) and name != run.conditioned.name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(run.root / name, folder / name)
        # 2. Settings and weights are read under whatever names they have, and written under those of today.
        write_text(made.config, yaml.safe_dump(config.to_dict(), sort_keys=False))
        if run.weights.is_file():
            save_tensors(made.weights, load_tensors(run.weights))
        posterior = load_posterior(config, run)
        if posterior is not None:
            save_posterior(posterior, made)
        write_json(made.card, {"format": FORMAT, **card})
        store_belief(made, config, RunHistory.read(made, card).data)
        # 3. What training saw of VALID only the data itself can say.
        _trained(run, card["data"]["path"], card["data"]["sha256"]).write(made.trained)
    return True


def _trained(run: RunFolder, path: str, fingerprint: str) -> TrainedRounds:
    """Return the hashes of the rounds that a run was trained on, those of TRAIN alone where its data is gone."""
    with contextlib.suppress(DataError):
        if card_hash(Path(path)) == fingerprint:
            return seen_rounds(Dataset.load(Path(path)))
    return trained_rounds(run)
