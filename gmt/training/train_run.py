"""Train a run from a data folder, beside the run that stands there until the new one is complete."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmt.artefacts import recover, training, unfinished
from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.feedback_counts import FeedbackCounts
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.data.run_history import RunHistory
from gmt.errors import DataError
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.files import write_json
from gmt.hybrid.closed_form import save_posterior
from gmt.hybrid.gmt_router import GmtRouter
from gmt.hybrid.stored_belief import store_belief
from gmt.routing.pairwise import fit_temperature
from gmt.runs import RunFolder, read_card
from gmt.training.accelerator import new_accelerator
from gmt.training.earlier_run import added_texts, check_data, check_place, finished_card, writing
from gmt.training.fit_parts import fit_parts
from gmt.training.kept_states import carry_vectors, kept_states, out_of_sight, with_earlier_state
from gmt.training.tracking import Tracked, check_tracker, tracked, where_tracked
from gmt.training.train_network import Report
from gmt.training.training_progress import resumable
from gmt.training.write_run import card_hash, first_card, write_inputs

MOST_COMPARED = 10**10
"""Similarities of VALID questions to TRAIN queries (a minute or two) beyond which a part of VALID is scored."""
LEAST_VALID = 1_000
"""Comparisons of VALID that are scored however many queries there are."""


def train_run(
    folder: Path, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> dict[str, Any]:
    """Train on a data folder and write the run folder, all of it at once when training has ended.

    An earlier run stays as it was until then, and for good where training is refused, fails or is killed. What users
    added to it stays with the new one; its results go with it.

    Args:
        folder: Data folder made by `gmt prep`.
        config: Settings.
        run: Where to write.
        resume: Go on from what a training of this run left that did not end.
        report: Called with every step's numbers.

    Returns:
        The run's card.

    Raises:
        DataError: The data folder is missing or damaged, or lacks what the settings need.
        RunError: The run was made for other data or settings, holds other files, is being trained by another
            command, or cannot be written.
    """
    # 1. Nothing is written before data and run are known to fit each other.
    check_tracker(config)
    data = Dataset.load(folder)
    fingerprint = card_hash(folder)
    config = with_earlier_state(run, _learnable(data, config, folder))
    made = RunFolder(unfinished(run.root))
    with writing(run):
        recover(run.root)
    if resume and not made.root.is_dir():
        return finished_card(run, config, fingerprint)
    users = check_place(run, data, config)
    unread = out_of_sight(run, config)  # while the earlier settings still say where votes are
    if resume and resumable(made, config) is not None:
        check_data(run, read_card(made.card), fingerprint)
    learn = data.select(data.table.split != TEST)
    card = first_card(data, folder, fingerprint, config)

    # 2. Only one of several processes writes; the others wait, for they read what it wrote.
    processes = new_accelerator(config)
    with contextlib.ExitStack() as stack:
        if processes.is_main_process:
            stack.enter_context(writing(run))
            stack.enter_context(training(run.root, resume))
            write_inputs(data, config, card, made, added_texts(run) if users else None)
        processes.wait_for_everyone()
        with tracked(config, run) as tracking:
            log = None if tracking is None else Tracked(tracking, report)
            router, found = fit_parts(learn, config, made, resume, log or report)
            card |= found | _validated(router, learn)
            if log is not None:
                log.log(card["valid"] or {}, "valid")
        # 3. The run is whole once this block ends; until then its folder can be resumed.
        if processes.is_main_process:
            if router.posterior is not None:
                save_posterior(router.posterior, made)
            write_json(made.card, card)
        processes.wait_for_everyone()
        store_belief(made, config, RunHistory.read(made, card).data, processes.is_main_process)
        processes.wait_for_everyone()
        # Before the new network takes the old one's place: a kill in between loses what --steps had learned, and never
        # adds it to states that it was not learned for.
        gone = 0
        if processes.is_main_process:
            carry_vectors(run, data, config)
            gone = _drop_offsets(run, config)
    notes = [] if config.state.texts else [_without_texts(run, data, config, folder)]
    kept = f"The votes that {users} user{'s' if users > 1 else ''} added since the earlier training are kept."
    said = where_tracked(config, run)
    if gone:
        said.insert(
            0, f"What gmt adapt --steps learned of {gone} user{'s' if gone > 1 else ''} went with the earlier network."
        )
    return card | {"notes": [*card["notes"], *notes, *([kept] if users else []), *unread, *said]}


def _drop_offsets(run: RunFolder, config: RunConfig) -> int:
    """Drop what was learned of single users beside the earlier network; return of how many."""
    kept = list(run.users.glob("*.safetensors"))  # of an older gmt
    for path in kept:
        path.unlink()
    gone = len(kept)
    for store in kept_states(run, config):
        with store.change() as change:
            gone += change.drop_offsets()
    return gone


def _without_texts(run: RunFolder, data: Dataset, config: RunConfig, folder: Path) -> str:
    """Drop the texts that an earlier run's state may hold, and say where texts still are."""
    for _ in kept_states(run, config, data.encoder, keep_texts=False):
        pass  # a state that is opened to keep no texts drops those it holds
    return (
        f"The run keeps no texts of users, only vectors, hashes and lengths; the data folder {folder} still holds "
        "them, and descriptions of models stay readable."
    )


def _learnable(data: Dataset, config: RunConfig, folder: Path) -> RunConfig:
    """Return the settings without the parts that the TRAIN feedback cannot teach.

    Raises:
        DataError: It can teach none.
    """
    found = FeedbackCounts.of(data.table.select(data.table.split == TRAIN))
    if not found.any:
        raise DataError(f"{folder}: TRAIN holds {found}; expected votes, ratings, remarks or signals to learn from")
    # Pairs alone have a loss for the network; on lone ratings it would take all its steps at none.
    if found.pairs or not config.posterior.network or config.train.loss != "pairwise":
        return config
    if not config.posterior.enabled:
        raise DataError(f"{folder}: TRAIN holds {found}; the network learns from pairs alone, enable the posterior too")
    return replace(config, posterior=replace(config.posterior, network=False))


def _validated(router: GmtRouter, data: Dataset) -> dict[str, Any]:
    """Return the router's AUC, accuracy and temperature on the VALID votes given the TRAIN ones.

    Where VALID was too much to score, `comparisons` says how many of it were drawn.
    """
    train = data.table.split == TRAIN
    valid = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    # Every question meets every known query, so that without a bound the time would grow with their product.
    most = max(MOST_COMPARED // max(len(np.unique(data.table.query[train])), 1), LEAST_VALID)
    drawn = len(valid) > most
    if drawn:
        valid = np.sort(np.random.default_rng(0).choice(valid, most, replace=False))
    gap = np.zeros(0)
    if len(valid):
        scores = router.score(data.select(train), data.questions(valid))
        gap = pairs_of(data.table.ratings[valid]).differences(scores)
    if not len(gap):
        return {"temperature": None, "valid": None}
    auc = float(weighted_auc(gap, np.zeros(len(gap), np.int64), np.ones((1, 1)))[0])
    accuracy = float(np.mean((gap > 0) + 0.5 * (gap == 0)))
    found = {"auc": auc, "accuracy": accuracy} | ({"comparisons": len(valid)} if drawn else {})
    return {"temperature": fit_temperature(gap), "valid": found}
