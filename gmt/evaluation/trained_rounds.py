"""Refuse to measure a run on rounds that it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmt.data.dataset import read_run_models
from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import round_hashes
from gmt.errors import DataError, RunError
from gmt.runs import RunFolder


def refuse_trained(run: RunFolder, asked: InteractionTable, folder: Path) -> None:
    """Check that a run saw none of the rounds that it is to be measured on.

    Args:
        run: The run.
        asked: The rounds.
        folder: Where they come from, for the message.

    Raises:
        DataError: It was trained on some; the first one is named.
        RunError: The list of what it was trained on is damaged.
    """
    seen = np.flatnonzero(np.isin(round_hashes(asked), trained_rounds(run)))
    if len(seen):
        first = asked.conversations[asked.conversation[seen[0]]]
        raise DataError(
            f"the run was trained on {len(seen):,} of the {len(asked):,} test rounds of {folder}, e.g. conversation "
            f"{first[:60]!r}, turn {asked.turn[seen[0]]}; measure it on rounds that it has not seen"
        )


def trained_rounds(run: RunFolder) -> np.ndarray:
    """Return the (T,) sorted hashes of the rounds that training saw, for older runs of the TRAIN part alone.

    Raises:
        RunError: The file is damaged.
    """
    if not run.trained.is_file():
        # Runs made before the list was kept hold the TRAIN part itself as their history.
        return np.unique(round_hashes(InteractionTable.read(run.history, list(read_run_models(run.models)))))
    try:
        # A run may come from anybody, and unpickling runs code.
        found = np.load(run.trained, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise RunError(f"{run.trained} is damaged ({error}); restore it or train the run again") from error
    if found.dtype != np.uint64 or found.ndim != 1:
        raise RunError(f"{run.trained} holds {found.dtype} of shape {found.shape}; restore it or train the run again")
    return found
