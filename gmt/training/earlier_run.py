"""Look at what stands where a run is to be trained: whether it may be replaced, and what of it stays."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmt.artefacts import unfinished
from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.store import EmbeddingStore
from gmt.errors import RunError
from gmt.manifest import artefacts_of
from gmt.runs import RunFolder, read_card
from gmt.state.user_files import UserFiles
from gmt.training.kept_states import kept_states, lost_texts
from gmt.training.training_progress import check_settings


def check_place(run: RunFolder, data: Dataset, config: RunConfig) -> int:
    """Check that a run may be trained here: nothing foreign is replaced, and votes that stay can still be read.

    Args:
        run: Where to.
        data: What it is to be trained on.
        config: The settings it is to be trained with, which may name a database of votes.

    Returns:
        How many users' votes, added after an earlier training, stay with the run.

    Raises:
        RunError: The folder is none, cannot be written, or holds what is not a run's; or users' votes in it have
            vectors of another encoder, or texts of which neither they nor their vectors are kept anywhere.
    """
    if run.root.exists() and not run.root.is_dir():
        raise RunError(f"{run.root} is a file; name a folder with --run")
    if run.root.exists() and any(run.root.iterdir()) and not run.config.is_file():
        raise RunError(f"{run.root} holds other files; name an empty folder or an earlier run with --run")
    # What a run is read from would be taken for a part of it, and is not ours to delete.
    foreign = [name for name in artefacts_of(run.root) if not run.is_own(name)] if run.root.is_dir() else []
    if foreign:
        raise RunError(f"{run.root} holds {foreign[0][:100]}, which no training wrote; move it out of the run")
    above = run.root.resolve()
    while not above.exists():
        above = above.parent
    if not os.access(above, os.W_OK | os.X_OK):
        raise RunError(f"{above} cannot be written; make it writable, or name another folder with --run")
    users = added_votes(run, config) if run.card.is_file() else 0
    if users:
        found, encoder = read_card(run.card)["encoder"], data.encoder
        if (found["id"], found["revision"]) != (encoder.id, encoder.revision):
            raise RunError(
                f"{run.root} keeps votes that {users} users added, encoded by {found['id']}, and this data is encoded "
                f"by {encoder.id}; prepare it with --encoder {found['id']}, or name another folder with --run"
            )
        lost = sum(lost_texts(store, run, data) for store in kept_states(run, config, data.encoder))
        if lost:
            raise RunError(
                f"{run.root} keeps votes with {lost} texts that are neither kept nor in this data, and no vectors of "
                f"them; train on data of encoder {encoder.id} that holds them, or name another folder with --run"
            )
    return users


def finished_card(run: RunFolder, config: RunConfig, fingerprint: str) -> dict[str, Any]:
    """Return the card of a run whose training ended, for there is nothing to go on with.

    Args:
        run: The run.
        config: Settings it must have been trained with.
        fingerprint: Hash of the data it must have been trained on.

    Raises:
        RunError: There is no such run.
    """
    if not run.card.is_file() or "network_weight" not in (card := read_card(run.card)):
        raise RunError(f"{run.root} holds nothing to resume; leave --resume out to start")
    check_data(run, card, fingerprint)
    check_settings(load_config(run.config), config)
    return card


def check_data(run: RunFolder, card: Mapping[str, Any], fingerprint: str) -> None:
    """Check that a training is gone on with on the data it was begun with.

    Raises:
        RunError: It was begun with other data.
    """
    if card["data"]["sha256"] != fingerprint:
        raise RunError(f"{run.root} was trained on other data; resume with the data it was started with")


def added_votes(run: RunFolder, config: RunConfig) -> int:
    """Count the users whose votes were added to a run after its training, wherever they are kept."""
    users = {item.user for item in UserFiles(run.users).read_all()}
    for store in kept_states(run, config):
        users |= {name for name, votes in store.users().items() if votes}
    return len(users)


def added_texts(run: RunFolder) -> tuple[list[str], np.ndarray] | None:
    """Return the texts of the votes in `users/`, and their vectors, which lie among the artefacts to be replaced."""
    rounds = UserFiles(run.users).read_all()
    if not rounds:
        return None
    texts = list(dict.fromkeys(text for item in rounds for text in item.texts()))
    return texts, EmbeddingStore.open(run.embeddings).vectors(texts)


@contextlib.contextmanager
def writing(run: RunFolder) -> Iterator[None]:
    """Say in one line, with a repair, why a run could not be written."""
    try:
        yield
    except OSError as error:
        where = f" ({Path(error.filename).name})" if isinstance(error.filename, str | Path) else ""
        go_on = "go on with --resume" if unfinished(run.root).is_dir() else "train again"
        raise RunError(
            f"{run.root} could not be written: {error.strerror or error}{where}; what stood there is unchanged. Make "
            f"room or make it writable, then {go_on}"
        ) from error
