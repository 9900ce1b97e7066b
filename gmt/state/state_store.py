"""Keep what changes after training in one database: open it, read it, and change it in whole transactions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from sqlalchemy import URL, func, insert, select
from sqlalchemy.exc import IntegrityError

from gmt.data.comparisons import Comparison
from gmt.data.dataset import ModelInfo
from gmt.data.text_keys import WITHHELD
from gmt.manifest import read_manifest
from gmt.state.change import Added, Change, Forgotten
from gmt.state.database_tables import HASH, runs, texts
from gmt.state.engine import WRITE, database_url, one_line_errors
from gmt.state.events import Event
from gmt.state.migrate import bring_up_to_date
from gmt.state.scrub import scrub
from gmt.state.state_reader import StateReader


class StateStore(StateReader):
    """Hold the state of one run: users, the rounds they added, their texts and vectors, and models added.

    Limitations:
        Any number of threads and processes may read and write at once. There is one writer at a time per run (per
        file with SQLite); others wait up to 60 s and are then refused, with nothing written. SQLite needs a local
        disk: on network file systems its locks do not hold; use PostgreSQL there. Where the connection to
        PostgreSQL breaks during a commit, only an idempotency key tells whether the vote was taken.

    Args:
        url: Of the database.
        run: Name of the run, from its manifest.
        encoder: Names the encoder that vectors are of, with its revision; those of others are neither read nor lost.
        keep_texts: Write texts; otherwise only their hashes, forms and vectors, also of those written before.
    """

    def __init__(self, url: URL, run: str, encoder: str = "", keep_texts: bool = True) -> None:
        super().__init__(url, run, encoder)
        self.keep_texts = keep_texts
        with one_line_errors(url):
            bring_up_to_date(self._engine)
            self._run_id = self._find_run()
        if not keep_texts:
            self._drop_texts()
        if self._reading_scalar(select(runs.c.scrub).where(runs.c.id == self._run_id)):
            self._scrub()  # texts were dropped, or a command was killed between forgetting and overwriting

    @classmethod
    def open(
        cls,
        folder: str | Path,
        url: str | None = None,
        *,
        run: str | None = None,
        encoder: str = "",
        keep_texts: bool = True,
    ) -> Self:
        """Open the state of a run folder, made or upgraded where that is needed.

        Args:
            folder: The run; `state.db` in it is the database unless `url` names another.
            url: `postgresql://…` or `sqlite:///…`.
            run: Name of the run; the one in the folder's manifest by default.
            encoder, keep_texts: As in the class.

        Raises:
            RunError: There is no manifest, or the database cannot be opened or read by this gmt.
            UserError: The URL is none of these.
        """
        folder = Path(folder)
        return cls(database_url(folder, url), run or read_manifest(folder).run, encoder, keep_texts)

    def close(self) -> None:
        """Close all connections; the last one to close an SQLite file leaves nothing beside it."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[Change]:
        """Open a transaction: what the block does to the `Change` is kept whole, or not at all if it fails."""
        with self._connection(write=True) as connection:
            change = Change(connection, self._run_id, self.run, self._encoder, self.keep_texts)
            yield change
            change.finish()

    def add(self, user: str, rounds: Sequence[Comparison], **how: Any) -> Added:
        """Append rounds of a user in one transaction; `how` as in `Change.add`."""
        with self.change() as change:
            return change.add(user, rounds, **how)

    def revoke(self, event: int, user: str | None = None) -> bool:
        """Take back one event; see `Change.revoke`."""
        with self.change() as change:
            return change.revoke(event, user)

    def forget(self, user: str) -> Forgotten:
        """Delete all that a user added, so that neither name nor text is left in the file; see `Change.forget`."""
        with self.change() as change:
            found = change.forget(user)
        return replace(found, remains=self._scrub())

    def add_model(self, name: str, info: ModelInfo, vector: np.ndarray | None = None) -> bool:
        """Offer one more model; see `Change.add_model`."""
        with self.change() as change:
            return change.add_model(name, info, vector)

    def update_model(self, name: str, info: ModelInfo, vector: np.ndarray | None = None) -> None:
        """Describe a model anew; see `Change.update_model`."""
        with self.change() as change:
            change.update_model(name, info, vector)

    def remove_model(self, name: str, info: ModelInfo) -> bool:
        """Offer a model no longer; see `Change.remove_model`."""
        with self.change() as change:
            return change.remove_model(name, info)

    def set_offset(self, user: str, offset: np.ndarray | None) -> None:
        """Keep the (D,) vector that is added to a user's state, or drop it."""
        with self.change() as change:
            change.set_offset(user, offset)

    def keep_vectors(self, found: Mapping[str, np.ndarray]) -> None:
        """Keep key -> (D,) vector of texts that were added, so that these can be read whatever the run is trained on.

        Where no texts are kept, those that waited for their vectors are dropped.
        """
        with self.change() as change:
            change.keep_vectors(found)
        if not self.keep_texts:
            self._drop_texts()

    def rebuild(self, user: str) -> list[Event]:
        """Drop what was derived from a user's events, check every one of them, and return those that count.

        Raises:
            RunError: An event is damaged.
        """
        with self.change() as change:
            change.set_offset(user, None)
        return self.events_of(user)

    def _find_run(self) -> int:
        """Return the number of the run, which is written down when its state is first opened."""
        query = select(runs.c.id).where(runs.c.uuid == self.run)
        with self._connection() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            row = {"uuid": self.run, "created": time.time(), "version": 0, "scrub": False}
            engine = self._engine.execution_options(**{WRITE: True})
            with contextlib.suppress(IntegrityError), engine.begin() as connection:
                connection.execute(insert(runs), row)
            found = self._reading_scalar(query)  # written here, or by another process that came first
        return found

    def _drop_texts(self) -> None:
        """Put stand-ins in the place of texts that were kept before the run was trained to keep none.

        A text of a round that counts waits until its vector is kept, for nothing could make it again.
        """
        begin = func.substr(texts.c.text, 1, len(WITHHELD) + HASH)
        query = select(texts.c.key, begin).where(
            texts.c.run_id == self._run_id, texts.c.text.is_not(None), self._has_vector() | ~self._is_told()
        )
        with self._connection() as connection:
            rows = connection.execute(query).all()
        kept = [key for key, found in rows if bytes(found) != f"{WITHHELD}{key}".encode()]
        if kept:
            with self.change() as change:
                change.drop_texts(kept)

    def _scrub(self) -> str | None:
        with one_line_errors(self.url), self._writing:
            return scrub(self._engine, self._run_id)
