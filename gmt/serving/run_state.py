"""Find the state of a run, open it when there is something to read or write, and take in what an older gmt kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import uuid
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gmt.data.comparisons import Comparison
from gmt.errors import RunError
from gmt.files import locked
from gmt.runs import STATE_FILE, RunFolder

if TYPE_CHECKING:
    from gmt.state.state_store import StateStore


class RunState:
    """Hold the place of a run's state.

    Nothing is written before there is something to keep. Where the folder cannot be written and no other database is
    named, the run is served without state, which is said once. Without `autosave`, what is added is kept in a folder of
    its own that goes with this object, and begins as a copy of what the run's own state holds.

    Args:
        folder: The run.
        url: Of the database; `state.db` in the folder by default.
        encoder: Names the encoder that vectors are of, with its revision.
        keep_texts: Write texts, not only their hashes and vectors.
        autosave: Keep in the run's state what is added.
    """

    def __init__(
        self, folder: RunFolder, url: str | None, encoder: str, keep_texts: bool, autosave: bool = True
    ) -> None:
        self.folder, self.url, self.encoder, self.keep_texts = folder, url, encoder, keep_texts
        self.autosave = autosave
        self.is_read_only = url is None and not os.access(folder.root, os.W_OK)
        self._store: StateStore | None = None
        self._opening = threading.Lock()
        self._drop: Callable[[], object] | None = None  # deletes what is kept apart, once
        if self.is_read_only and (autosave or self._file.is_file()):
            warnings.warn(
                f"{folder.root} cannot be written: what users added is neither read nor kept; make it writable or "
                "name a database with --state",
                stacklevel=4,
            )

    @property
    def _file(self) -> Path:
        return self.folder.root / STATE_FILE

    def existing(self) -> StateStore | None:
        """Return the state if there is one."""
        if self._store is not None:
            return self._store
        return self.made() if self._has_own() else None

    def made(self) -> StateStore:
        """Return the state, made where there is none.

        Raises:
            RunError: It cannot be made, opened or read.
        """
        if self.is_read_only and self.autosave:
            raise RunError(f"{self.folder.root} cannot be written; make it writable, or name a database with --state")
        # Here, for a run that nobody told anything is served without the library of databases.
        from gmt.state.run_name import run_name

        with self._opening:
            if self._store is None and not self.autosave:
                self._store = self._apart()
            elif self._store is None:
                with locked(self.folder.root / "state"):  # of several that make it, one gives the run its name
                    self._store = self._opened(self.folder.root, self.url, run_name(self.folder.root, self.url))
            return self._store

    def _has_own(self) -> bool:
        """Tell whether the run has a state that can be read."""
        return not self.is_read_only and (self.url is not None or self._file.is_file())

    def _opened(self, folder: Path, url: str | None, run: str) -> StateStore:
        from gmt.state.state_store import StateStore

        return StateStore.open(folder, url, run=run, encoder=self.encoder, keep_texts=self.keep_texts)

    def _apart(self) -> StateStore:
        """Make a state that nobody else sees, with what the run's own holds now."""
        from gmt.serving.forget_trained import trained_users
        from gmt.state.copy_state import copy_state
        from gmt.state.run_name import run_name

        apart = Path(tempfile.mkdtemp(prefix="gmt-"))
        self._drop = weakref.finalize(self, shutil.rmtree, apart, ignore_errors=True)
        if not self._has_own():
            return self._opened(apart, None, str(uuid.uuid4()))
        name = run_name(self.folder.root, self.url)
        found = self._opened(apart, None, name)
        with self._opened(self.folder.root, self.url, name) as own:
            copy_state(own, found, trained_users(self.folder))
        return found

    def take_in(self, trained: Callable[[str], list[Comparison]], names: Callable[[], list[str]]) -> bool:
        """Move what an older gmt kept in `users/` into the state, once; return whether there was anything.

        Args:
            trained: Returns the rounds of a user that the run was trained on.
            names: Returns the names of the users it was trained on.

        Raises:
            RunError: A file is damaged; nothing is taken in then.
        """
        if (self.is_read_only and self.autosave) or not self.folder.users.is_dir():
            return False
        from gmt.state.import_user_files import import_user_files
        from gmt.state.user_files import UserFiles

        with locked(self.folder.root / "users") if self.autosave else contextlib.nullcontext():
            return import_user_files(UserFiles(self.folder.users), self.made(), trained, names, delete=self.autosave)

    def close(self) -> None:
        """Close all connections."""
        if self._store is not None:
            self._store.close()
        if self._drop is not None:
            self._drop()
