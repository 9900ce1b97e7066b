"""Keep what users told a run readable when it is trained again: find it, and carry the vectors of its texts along."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.encoders import EncoderCard
from gmt.data.store import EmbeddingStore
from gmt.data.text_keys import stated_key
from gmt.errors import DataError, RunError, UserError
from gmt.manifest import MANIFEST
from gmt.runs import STATE, RunFolder, read_card
from gmt.state.engine import FILE, database_url
from gmt.state.run_name import run_name
from gmt.state.state_store import StateStore
from gmt.training.write_run import keys_of_texts


def kept_states(
    run: RunFolder, config: RunConfig, encoder: EncoderCard | None = None, keep_texts: bool = True
) -> Iterator[StateStore]:
    """Yield each state that keeps votes of an earlier run, open until the next is asked for.

    That is `state.db` in its folder, and the database that $GMT_STATE, the earlier settings or the new ones name.

    Args:
        run: The run.
        config: The settings it is to be trained with.
        encoder: Whose vectors are to be read or written.
        keep_texts: As in `StateStore`, which drops texts where it is false.

    Raises:
        RunError: A database cannot be read; training without it might lose sight of votes.
    """
    if not run.card.is_file():
        return
    named = [os.environ.get(STATE), config.state.url]
    with contextlib.suppress(UserError):  # settings that cannot be read are those of a run to be replaced
        named.append(load_config(run.config).state.url)
    own = [None] if (run.root / FILE).is_file() else []
    for url in [*own, *dict.fromkeys(filter(None, named))]:
        # An older run without a manifest has no name under which a database elsewhere could know it.
        if url is not None and not (run.root / MANIFEST).is_file():
            continue
        how = {"encoder": "" if encoder is None else encoder.full_name, "keep_texts": keep_texts}
        with StateStore.open(run.root, url, run=run_name(run.root, url), **how) as store:
            yield store


def lost_texts(store: StateStore, run: RunFolder, data: Dataset) -> int:
    """Count the texts of votes that could not be read any more once a run is trained on some data."""
    left = store.without_vector()
    found = _vectors_of(list(left), run, data) if left else {}
    return sum(stated_key(text) is not None and key not in found for key, text in left.items())


def carry_vectors(run: RunFolder, data: Dataset, config: RunConfig) -> None:
    """Put vectors of texts in kept votes, which the artefacts to be replaced may alone hold, beside the votes.

    Nothing else changes, so it does no harm where the training does not end.

    Args:
        run: The run as it is before the new one takes its place.
        data: What the new one is trained on, with the vectors of all of its texts.
        config: The settings it is trained with.
    """
    if not run.card.is_file() or EncoderCard(**read_card(run.card)["encoder"]) != data.encoder:
        return
    for store in kept_states(run, config, data.encoder):
        if left := store.without_vector():
            store.keep_vectors(_vectors_of(list(left), run, data))


def _vectors_of(keys: list[str], run: RunFolder, data: Dataset) -> dict[str, np.ndarray]:
    """Return key -> (D,) vector of texts that an earlier run or some data of its encoder hold."""
    found: dict[str, np.ndarray] = {}
    with contextlib.suppress(DataError, RunError):  # a damaged run may be replaced, and holds nothing then
        store = EmbeddingStore.open(run.embeddings)
        known = store.known_keys(keys) if store.encoder == data.encoder else []
        found = dict(zip(known, store.vectors_of_keys(known), strict=True)) if known else {}
    left = set(keys) - found.keys()
    if left:
        codes = range(len(data.table.texts))
        at = {key: code for key, code in zip(keys_of_texts(data.table.texts, codes), codes, strict=True) if key in left}
        found |= dict(zip(at, data.vectors[np.array(list(at.values()), np.int64)], strict=True)) if at else {}
    return found


def with_earlier_state(run: RunFolder, config: RunConfig) -> RunConfig:
    """Return the settings with the database that those of an earlier run name, where they name none.

    Else what users told would lie where no command looks any more.
    """
    if config.state.url is not None or not run.config.is_file():
        return config
    with contextlib.suppress(UserError):  # settings that cannot be read are those of a run to be replaced
        return replace(config, state=replace(config.state, url=load_config(run.config).state.url))
    return config


def out_of_sight(run: RunFolder, config: RunConfig) -> list[str]:
    """Return one sentence for each place that keeps votes of a run and is not the one that its commands read."""
    named = os.environ.get(STATE) or config.state.url
    read, said = str(database_url(run.root, named)), []
    for store in kept_states(run, config):
        users = sum(votes > 0 for votes in store.users().values())
        if users and str(store.url) != read:
            said.append(
                f"Votes of {users} user{'s' if users > 1 else ''} lie in {store.url}, which is not read as long as "
                f"{'$' + STATE if os.environ.get(STATE) else 'state.url'} names another database."
            )
    return said
