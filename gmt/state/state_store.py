"""Keep what changes after training in one database: open it, read it, and change it in whole transactions."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from sqlalchemy import URL, ColumnElement, Connection, Engine, Row, func, insert, select, true
from sqlalchemy.exc import IntegrityError

from gmt.artefacts import read_manifest
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import Comparison
from gmt.errors import RunError
from gmt.state.change import Added, Change, Forgotten, chunks
from gmt.state.engine import WRITE, connect, database_url, one_line_errors
from gmt.state.events import Event, decode, read_text, seal_of, short_hash, text_keys, unpack, user_hash
from gmt.state.migrate import bring_up_to_date
from gmt.state.schema import events, forgotten, models, runs, texts, users, vectors
from gmt.state.scrub import scrub

PAGE = 500
"""Events read at once."""


@dataclass(frozen=True)
class News:
    """Say what became new in a run since some version, beside its events.

    Args:
        version: The run's version now; what comes later is asked for with it.
        forgotten: Hashes (`hash_of`) of people who were forgotten or replaced what they had told: readers drop all they
            know of them, trained rounds too, and read `events_of` those who are still there.
        users: Names of people who are new, who replaced their rounds, or whose offset changed.
        models: Names of models that were added or changed.
    """

    version: int
    forgotten: frozenset[str]
    users: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Counts:
    """Count what a run's state holds."""

    users: int
    events: int
    revoked: int
    texts: int
    models: int


class StateStore:
    """Hold the state of one run: people, what they told, their texts and vectors, and models added.

    Limitations:
        Any number of threads and processes may read and write at once. There is one writer at a time per run (per
        file with SQLite); others wait up to 60 s and are then refused, with nothing written. SQLite needs a local
        disk: on network file systems its locks do not hold; use PostgreSQL there. Where the connection to
        PostgreSQL breaks during a commit, only an idempotency key tells whether the vote was taken.

    Args:
        url: Of the database.
        run: Name of the run, from its manifest.
        encoder: Names the encoder that vectors are of, with its revision; those of others are neither read nor lost.
        keep_texts: Write texts; otherwise only their hashes and vectors.
    """

    def __init__(self, url: URL, run: str, encoder: str = "", keep_texts: bool = True) -> None:
        self.url, self.run, self.encoder, self.keep_texts = url, run, encoder, keep_texts
        self._encoder = short_hash(encoder)
        self._engine: Engine = connect(url)
        self._writing = threading.Lock()  # threads of one process queue here, which is fairer than the file's lock
        self._process = os.getpid()
        with one_line_errors(url):
            bring_up_to_date(self._engine)
            self._run_id = self._find_run()
        if self._reading_scalar(select(runs.c.scrub).where(runs.c.id == self._run_id)):
            self._scrub()  # a command was killed between forgetting and overwriting

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

    # Writing.

    @contextlib.contextmanager
    def change(self) -> Iterator[Change]:
        """Open a transaction: what the block does to the `Change` is kept whole, or not at all if it fails."""
        with self._connection(write=True) as connection:
            change = Change(connection, self._run_id, self.run, self._encoder, self.keep_texts)
            yield change
            change.finish()

    def add(
        self,
        user: str,
        rounds: Sequence[Comparison],
        *,
        keys: Sequence[str | None] | None = None,
        replace: bool = False,
        vectors: Mapping[str, np.ndarray] | None = None,
        known: Sequence[Comparison] = (),
        source: str = "api",
    ) -> Added:
        """Append rounds of a person in one transaction; see `Change.add`."""
        with self.change() as change:
            return change.add(user, rounds, keys=keys, replace=replace, vectors=vectors, known=known, source=source)

    def revoke(self, event: int, user: str | None = None) -> bool:
        """Take back one event; see `Change.revoke`."""
        with self.change() as change:
            return change.revoke(event, user)

    def forget(self, user: str) -> Forgotten:
        """Delete all a person told, so that neither name nor text is left in the file; see `Change.forget`."""
        with self.change() as change:
            found = change.forget(user)
        return replace(found, remains=self._scrub())

    def add_model(self, name: str, info: ModelInfo, vector: np.ndarray | None = None) -> bool:
        """Offer one more model; see `Change.add_model`."""
        with self.change() as change:
            return change.add_model(name, info, vector)

    def set_offset(self, user: str, offset: np.ndarray | None) -> None:
        """Keep the (D,) vector that is added to a person's state, or drop it."""
        with self.change() as change:
            change.set_offset(user, offset)

    def rebuild(self, user: str) -> list[Event]:
        """Drop what was derived from a person's events, check every one of them, and return those that count.

        Raises:
            RunError: An event is damaged.
        """
        with self.change() as change:
            change.set_offset(user, None)
        return self.events_of(user)

    # Reading.

    def version(self) -> int:
        """Return how many transactions changed this run: one look, to see whether anything is new."""
        return self._reading_scalar(select(runs.c.version).where(runs.c.id == self._run_id))

    def news(self, since: int = 0) -> News:
        """Return what is new after a version, beside events; ask for it first, then for `events_since`."""
        with self._connection() as connection:

            def names(table, column) -> list:
                mine = (table.c.run_id == self._run_id) & (table.c.version > since)
                return list(connection.execute(select(column).where(mine).order_by(table.c.version)).scalars())

            version = connection.execute(select(runs.c.version).where(runs.c.id == self._run_id)).scalar_one()
            gone = frozenset(names(forgotten, forgotten.c.hash))
            return News(version, gone, tuple(names(users, users.c.name)), tuple(names(models, models.c.name)))

    def events_since(self, version: int = 0) -> Iterator[Event]:
        """Yield events that were written or revoked after a version, oldest change first.

        What is written while the events are read may come again with the next call; readers go by `Event.id`.
        """
        last = (version, 1 << 62)
        while True:
            after = (events.c.version > last[0]) | ((events.c.version == last[0]) & (events.c.id > last[1]))
            page = self._page((events.c.run_id == self._run_id) & (events.c.version >= last[0]) & after)
            yield from page
            if len(page) < PAGE:
                return
            last = (page[-1].version, page[-1].id)

    def events_of(self, user: str, revoked: bool = False) -> list[Event]:
        """Return a person's events in the order in which they were written.

        Args:
            user: Whose.
            revoked: Also those that no longer count.
        """
        mine = (users.c.run_id == self._run_id) & (users.c.hash == self.hash_of(user))
        if not revoked:
            mine &= events.c.revoked.is_(None)
        found: list[Event] = []
        while True:
            later = events.c.id > found[-1].id if found else true()
            page = self._page(mine & later, by_id=True)
            found += page
            if len(page) < PAGE:
                return found

    def users(self) -> dict[str, int]:
        """Return name -> how many events count, of everybody who told the run anything."""
        count = func.count(events.c.id)
        live = (events.c.user_id == users.c.id) & events.c.revoked.is_(None)
        query = select(users.c.name, users.c.hash, count).outerjoin(events, live).where(users.c.run_id == self._run_id)
        with self._connection() as connection:
            rows = connection.execute(query.group_by(users.c.id).order_by(users.c.id)).all()
        return {self._name(row): row[2] for row in rows}

    def offsets(self) -> dict[str, np.ndarray]:
        """Return name -> (D,) vector added to a person's state, for those who have one."""
        query = select(users.c.name, users.c.hash, users.c.offset_vector)
        mine = (users.c.run_id == self._run_id) & users.c.offset_vector.is_not(None)
        with self._connection() as connection:
            rows = connection.execute(query.where(mine).order_by(users.c.id)).all()
        return {self._name(row): unpack(row.offset_vector, self._name(row)[:60]) for row in rows}

    def forgotten(self) -> frozenset[str]:
        """Return hashes of the people whose trained rounds count no more; compare with `hash_of`."""
        return self.news().forgotten

    def hash_of(self, user: str) -> str:
        """Return what stands for a person where the name must not."""
        return user_hash(self.run, user)

    def vectors(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Return key -> (D,) vector of this store's encoder, for those texts that have one."""
        mine = (vectors.c.run_id == self._run_id) & (vectors.c.encoder == self._encoder)
        found: dict[str, np.ndarray] = {}
        with self._connection() as connection:
            for some in chunks(keys):
                query = select(vectors.c.key, vectors.c.vector).where(mine, vectors.c.key.in_(some))
                found |= {row.key: unpack(row.vector, f"text {row.key}") for row in connection.execute(query)}
        return found

    def models(self) -> dict[str, ModelInfo]:
        """Return the models that were added, in that order."""
        query = select(models).where(models.c.run_id == self._run_id).order_by(models.c.id)
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return {row.name: ModelInfo(row.description, row.input_price, row.output_price) for row in rows}

    def counts(self) -> Counts:
        """Count what the state holds."""
        with self._connection() as connection:

            def count(table, *conditions: ColumnElement[bool]) -> int:
                query = select(func.count()).select_from(table).where(table.c.run_id == self._run_id, *conditions)
                return connection.execute(query).scalar_one()

            revoked = count(events, events.c.revoked.is_not(None))
            return Counts(count(users), count(events), revoked, count(texts), count(models))

    # Inside.

    @contextlib.contextmanager
    def _connection(self, write: bool = False) -> Iterator[Connection]:
        """Give a connection inside a transaction."""
        if self._process != os.getpid():  # a forked process must not share its parent's connections
            self._engine.dispose(close=False)
            self._process, self._writing = os.getpid(), threading.Lock()
        queue = self._writing if write else contextlib.nullcontext()
        options = {WRITE: True} if write else {}
        engine = self._engine.execution_options(**options)
        with one_line_errors(self.url), queue, engine.begin() as connection:
            yield connection

    def _reading_scalar(self, query):
        with self._connection() as connection:
            return connection.execute(query).scalar_one()

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

    def _scrub(self) -> str | None:
        with one_line_errors(self.url), self._writing:
            return scrub(self._engine, self._run_id)

    def _name(self, row: Row) -> str:
        """Return a person's name, checked."""
        if self.hash_of(row.name) != row.hash:
            raise RunError("the name of a user in the state is damaged; restore the state from a copy")
        return row.name

    def _page(self, condition: ColumnElement[bool], by_id: bool = False) -> list[Event]:
        """Return up to `PAGE` events with their texts, every one checked."""
        query = select(events, users.c.name, users.c.hash).join(users, users.c.id == events.c.user_id)
        order = (events.c.id,) if by_id else (events.c.version, events.c.id)
        found: dict[str, str] = {}
        with self._connection() as connection:
            rows = connection.execute(query.where(condition).order_by(*order).limit(PAGE)).all()
            for row in rows:
                if seal_of(row.hash, row.form, row.key, row.payload) != row.seal:
                    raise RunError(f"event {row.id} in the state is damaged; restore the state from a copy")
            for some in chunks(key for row in rows for key in text_keys(row.payload)):
                mine = (texts.c.run_id == self._run_id) & texts.c.key.in_(some)
                named = connection.execute(select(texts.c.key, texts.c.text).where(mine))
                found |= {one.key: read_text(one.key, one.text) for one in named}
        return [
            Event(
                row.id,
                decode(self._name(row), row.payload, found.__getitem__),
                row.key,
                row.source,
                row.created,
                row.revoked is not None,
                row.version,
            )
            for row in rows
        ]
