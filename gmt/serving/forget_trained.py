"""Remove users from what a run was trained on: its history, the vectors of their texts, and their rows of results."""

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
from gmt.data.dataset import ModelInfo, read_run_models
from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import owner_hash, round_hashes
from gmt.data.rounds_seen import trained_rounds
from gmt.data.run_history import RunHistory
from gmt.data.store import EmbeddingStore
from gmt.data.text_keys import keys_of
from gmt.data.vector_cache import VectorCache
from gmt.errors import RunError
from gmt.files import locked, read_json, replace_file, write_json
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import artefacts_of
from gmt.runs import RunFolder, read_card

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
        owner = owner_hash(user)
        is_trained = user in trained_users(folder) or _has_rounds_of(folder, owner)
        if is_trained:
            write_json(folder.root / PENDING, {"hash": state.hash_of(user), "owner": owner})
        found = state.forget(user)  # from here on nobody sees the user any more
        if is_trained:
            _remove(folder, state, state.hash_of(user), owner)
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
        pending = read_json(path, RunError, "open the run again")
        gone, owner = str(pending.get("hash")), pending.get("owner")
        if state is not None and gone in state.forgotten():
            _remove(folder, state, gone, owner if isinstance(owner, int) else None)
            _remove_results(folder, lambda name: state.hash_of(name) == gone)
        path.unlink(missing_ok=True)


def what_remains(folder: RunFolder, card: Mapping[str, Any], store: EmbeddingStore, database: str | None) -> list[str]:
    """Return one sentence for each place that still knows of somebody who was forgotten, with what ends that."""
    remains = [WEIGHTS]
    if folder.trained.is_file() and trained_rounds(folder).owners is None:
        remains.append(
            f"{folder.trained} is of an earlier gmt and may hold one-way 64-bit hashes of rounds that validated the "
            "run; train again"
        )
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


def _has_rounds_of(folder: RunFolder, owner: int) -> bool:
    """Tell whether training saw rounds of somebody, if only to validate on."""
    owners = trained_rounds(folder).owners if folder.trained.is_file() else None
    return owners is not None and bool((owners == np.uint64(owner)).any())


def _remove(folder: RunFolder, state: StateStore, gone: str, owner: int | None) -> None:
    """Build the artefacts without a user, and switch them in.

    Args:
        folder, state: The run.
        gone: Hash of the user in its state.
        owner: Their `owner_hash`; None where a gmt before it was kept was killed half-way.
    """
    recover(folder.root)
    models = read_run_models(folder.models)
    table = InteractionTable.read(folder.history, list(models))
    mine = np.array([state.hash_of(name) == gone for name in table.users], bool)
    owner = owner_hash(table.users[int(np.argmax(mine))]) if mine.any() else owner
    if not mine.any() and (owner is None or not _has_rounds_of(folder, owner)):
        return
    kept = table.select(~mine[table.user])
    # Written and read again, the table holds no name and no text that its rows do not use.
    used = [
        *(table.texts[code] for code in kept.text_order),
        *(models.get(n, ModelInfo(n)).description for n in table.models),
    ]
    with making(folder.root) as made:
        changed = (folder.history.name, folder.trained.name, folder.conditioned.name)
        for name in artefacts_of(folder.root):
            if name not in changed and not name.startswith(f"{folder.embeddings.name}/"):
                _copy(folder.root / name, made / name)
        kept.write(made / folder.history.name)
        # 2. Hashes are one-way, but whoever knows a round could test for it.
        if folder.trained.is_file() and owner is not None:
            known = round_hashes(table.select(mine[table.user]))
            trained_rounds(folder).without(owner, known).write(made / folder.trained.name)
        old = EmbeddingStore.open(folder.embeddings)
        new = EmbeddingStore.create(made / folder.embeddings.name, old.encoder)
        keys = old.known_keys([*(key for text in used for key in keys_of(text)), *sorted(state.text_keys())])
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
