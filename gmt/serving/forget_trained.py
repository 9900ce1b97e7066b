"""Remove people from what a run was trained on: its history, the vectors of their texts, and their rows of results."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gmt.artefacts import making, recover, unfinished
from gmt.config import load_config
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import InteractionTable
from gmt.data.run_history import RunHistory
from gmt.data.store import EmbeddingStore, key_of
from gmt.data.vector_cache import VectorCache
from gmt.errors import RunError
from gmt.files import locked, read_json, replace_file, write_json
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import artefacts_of
from gmt.runs import RunFolder, read_card, read_run_json

if TYPE_CHECKING:
    from gmt.state.state_store import StateStore

PENDING = ".forget.json"
"""In a run while somebody is removed: the hash of the name, so that a command that was killed can be completed."""
WEIGHTS = "learned weights were not refitted; train again without this user's rows to learn without them"


def trained_users(folder: RunFolder) -> list[str]:
    """Return the names of everybody in the trained history."""
    return pq.ParquetFile(folder.history).read(columns=["user"])["user"].unique().to_pylist()


def forget_everywhere(folder: RunFolder, state: StateStore, user: str) -> tuple[int, str | None]:
    """Remove a user from the state and from the artefacts; a kill leaves what `complete_forgetting` completes.

    Returns:
        How many rounds of the state went, and where bytes of the state still are.
    """
    with locked(folder.root / "forget"):
        is_trained = user in trained_users(folder)
        if is_trained:
            write_json(folder.root / PENDING, {"hash": state.hash_of(user)})
        found = state.forget(user)  # from here on nobody sees the user any more
        if is_trained:
            _remove(folder, state, state.hash_of(user))
        _remove_results(folder, lambda name: name == user)
        (folder.root / PENDING).unlink(missing_ok=True)
    return found.events, found.remains


def complete_forgetting(folder: RunFolder, state: StateStore | None) -> None:
    """Complete what a killed command left; one that is at work is let alone."""
    path = folder.root / PENDING
    if not path.is_file():
        return
    with contextlib.suppress(TimeoutError), locked(folder.root / "forget", timeout=0):
        if not path.is_file():
            return
        gone = str(read_json(path, RunError, "open the run again").get("hash"))
        if state is not None and gone in state.forgotten():
            _remove(folder, state, gone)
            _remove_results(folder, lambda name: state.hash_of(name) == gone)
        path.unlink(missing_ok=True)


def what_remains(folder: RunFolder, card: Mapping[str, Any], store: EmbeddingStore, database: str | None) -> list[str]:
    """Return one sentence for each place that still knows of somebody who was forgotten, with what ends that."""
    remains = [WEIGHTS]
    data = Path(str(card.get("data", {}).get("path", "")))
    if data.is_dir():
        remains.append(
            f"the data folder {data} still holds what it held; remove the rows from its source and run gmt prep again"
        )
    cache = VectorCache.of(store.encoder)
    if cache is not None and cache.path.is_file():
        remains.append(f"{cache.path} holds vectors by the hash of their texts, without names; delete it to be sure")
    if (begun := unfinished(folder.root)).is_dir():
        remains.append(
            f"{begun} holds a training that did not end, with all it was begun on; train again, or delete it"
        )
    return remains + ([database] if database else [])


def _remove(folder: RunFolder, state: StateStore, gone: str) -> None:
    """Build the artefacts without a person, and switch them in."""
    recover(folder.root)
    models = {name: ModelInfo(**info) for name, info in read_run_json(folder.models).items()}
    table = InteractionTable.read(folder.history, list(models))
    mine = np.array([state.hash_of(name) == gone for name in table.users], bool)
    if not mine.any():
        return
    kept = table.select(~mine[table.user])
    # Written and read again, the table holds no name and no text that its rows do not use.
    used = [
        *(table.texts[code] for code in kept.text_order),
        *(models.get(n, ModelInfo(n)).description for n in table.models),
    ]
    with making(folder.root) as made:
        for name in artefacts_of(folder.root):
            made_anew = name in (folder.history.name, folder.conditioned.name)
            if not made_anew and not name.startswith(f"{folder.embeddings.name}/"):
                _copy(folder.root / name, made / name)
        kept.write(made / folder.history.name)
        old = EmbeddingStore.open(folder.embeddings)
        new = EmbeddingStore.create(made / folder.embeddings.name, old.encoder)
        keys = old.known_keys([*map(key_of, used), *sorted(state.text_keys())])
        new.add_keys(keys, old.vectors_of_keys(keys))
        new.save()
        # What was believed after the history with them holds what their votes said.
        remade, card = RunFolder(made), read_card(folder.card)
        store_belief(remade, load_config(folder.config), RunHistory.read(remade, card).data)


def _copy(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; copy it where the file system knows none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove_results(folder: RunFolder, is_gone: Callable[[str], bool]) -> None:
    """Remove a user's rows from everything that was measured; summaries over all users stay as they are."""
    for path in sorted(folder.results.glob("**/*.parquet")):
        if path.name.startswith("."):
            continue
        rows = pq.read_table(path)
        if "user" not in rows.column_names:
            continue
        names: Iterable[Any] = rows["user"].unique().to_pylist()
        gone = [name for name in names if isinstance(name, str) and is_gone(name)]
        if gone:
            left = rows.filter(pc.invert(pc.is_in(rows["user"], pa.array(gone))))  # pyright: ignore[reportAttributeAccessIssue]
            replace_file(path, lambda part, left=left: pq.write_table(left, part, compression="zstd"))
