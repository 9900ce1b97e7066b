"""Copy a run with all that was added to it, as it was at one moment, into a run of its own."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from pathlib import Path

from gmt.files import PART, locked
from gmt.manifest import MANIFEST, seal
from gmt.runs import RunFolder
from gmt.serving.forget_trained import trained_users
from gmt.serving.run_state import RunState
from gmt.state.copy_state import copy_state
from gmt.state.state_store import StateStore
from gmt.verified import RECORD

LEFT = ("state.db*", "*.lock", f"*{PART}", MANIFEST, ".switch.json", ".forget.json", RECORD)
"""What belongs to the one run alone."""


def copy_run(folder: RunFolder, target: Path, state: RunState) -> Path:
    """Copy artefacts, results and state; what is added to either run later is unknown to the other.

    Args:
        folder: The run.
        target: An empty or missing folder.
        state: Of the run.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a run that nobody can write is not replaced meanwhile either
            held.enter_context(locked(folder.root.resolve()))
        shutil.copytree(folder.root, target, ignore=shutil.ignore_patterns(*LEFT), dirs_exist_ok=True)
    name, store = str(uuid.uuid4()), state.existing()
    seal(target, run=name)
    if store is not None:
        copied = StateStore.open(target, run=name, encoder=state.encoder, keep_texts=state.keep_texts)
        with copied:
            copy_state(store, copied, trained_users(folder))
    return target
