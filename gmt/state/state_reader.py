"""Read what users added to a run, with every row checked, beside any number of writers."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import URL, ColumnElement, Connection, Engine, Row, func, select, true

from gmt.data.dataset import NUMBERS, ModelInfo
from gmt.errors import RunError
from gmt.state.database_tables import events, forgotten, models, runs, texts, users, uses, vectors
from gmt.state.engine import WRITE, connect, one_line_errors
from gmt.state.events import Event, decode, read_text, seal_of, short_hash, text_keys, unpack, user_hash
from gmt.state.run_rows import chunks

PAGE = 500
"""Events read at once."""


@dataclass(frozen=True)
class News:
    """Say what became new in a run since some version, beside its events.

    Args:
        version: The run's version now; what comes later is asked for with it.
        forgotten: Hashes (`hash_of`) of users who were forgotten or replaced what they had added: readers drop all they
            know of them, trained rounds too, and read `events_of` those who are still there.
        users: Names of users who are new, who replaced their rounds, or whose offset changed.
        models: Names of models that were added, changed or removed.
    """

    version: int
    forgotten: frozenset[str]
    users: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class KeptModel:
    """Hold the card of a model as the state has it.

    Args:
        info: Its description and prices.
        is_offered: It was not removed.
    """

    info: ModelInfo
    is_offered: bool


@dataclass(frozen=True)
class Counts:
    """Count what a run's state holds."""

    users: int
    events: int
    revoked: int
    texts: int
    models: int


class StateReader:
    """Read one run's state; `StateStore` says what its arguments are and also writes."""

    _run_id: int  # set when the run was found

    def __init__(self, url: URL, run: str, encoder: str = "") -> None:
        self.url, self.run, self.encoder = url, run, encoder
        self._encoder = short_hash(encoder)
        self._engine: Engine = connect(url)
        self._writing = threading.Lock()  # threads of one process queue here, which is fairer than the file's lock
        self._process = os.getpid()

    def version(self) -> int:
        """Return how many transactions changed this run: one look, to see whether anything is new."""
        # Every decision looks, so past SQLAlchemy's statements, which take ten times as long as the database does.
        self._settle_process()
        with one_line_errors(self.url), contextlib.closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"SELECT version FROM {runs.name} WHERE id = {int(self._run_id)}")
            row = cursor.fetchone()
            cursor.close()
        if row is None:
            raise RunError("the run is no longer in its state; restore the state from a copy")
        return row[0]

    def news(self, since: int = 0) -> News:
        """Return what is new after a version, beside events; ask for it first, then for `events_since`."""
        with self._connection() as connection:

            def names(table, column) -> list:
                mine = (table.c.run_id == self._run_id) & (table.c.version > since)
                return list(connection.execute(select(column).where(mine).order_by(table.c.version)).scalars())

            version = connection.execute(select(runs.c.version).where(runs.c.id == self._run_id)).scalar_one()
            gone = frozenset(names(forgotten, forgotten.c.hash))
            return News(version, gone, tuple(names(users, users.c.name)), tuple(names(models, models.c.name)))

    def took_back(self, since: int, last: int) -> bool:
        """Tell whether an event up to `last`, or a user, was taken back after a version, so that readers begin anew."""
        with self._connection() as connection:
            gone = select(forgotten.c.hash).where(forgotten.c.run_id == self._run_id, forgotten.c.version > since)
            if connection.execute(gone.limit(1)).first() is not None:
                return True
            mine = (events.c.run_id == self._run_id) & (events.c.version > since) & (events.c.id <= last)
            revoked = select(events.c.id).where(mine, events.c.revoked.is_not(None)).limit(1)
            return connection.execute(revoked).first() is not None

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
        """Return a user's events in the order in which they were written.

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
        """Return name -> how many events count, of every user who added anything."""
        count = func.count(events.c.id)
        live = (events.c.user_id == users.c.id) & events.c.revoked.is_(None)
        query = select(users.c.name, users.c.hash, count).outerjoin(events, live).where(users.c.run_id == self._run_id)
        with self._connection() as connection:
            rows = connection.execute(query.group_by(users.c.id).order_by(users.c.id)).all()
        return {self._name(row): row[2] for row in rows}

    def offsets(self) -> dict[str, np.ndarray]:
        """Return name -> (D,) vector added to a user's state, for those who have one."""
        query = select(users.c.name, users.c.hash, users.c.offset_vector)
        mine = (users.c.run_id == self._run_id) & users.c.offset_vector.is_not(None)
        with self._connection() as connection:
            rows = connection.execute(query.where(mine).order_by(users.c.id)).all()
        return {self._name(row): unpack(row.offset_vector, self._name(row)[:60]) for row in rows}

    def forgotten(self) -> frozenset[str]:
        """Return hashes of the users whose trained rounds count no more; compare with `hash_of`."""
        return self.news().forgotten

    def hash_of(self, user: str) -> str:
        """Return what stands for a user where the name must not."""
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

    def without_vector(self) -> dict[str, str]:
        """Return key -> text, or its stand-in, of those in rounds that count and have no vector of this encoder."""
        mine = (texts.c.run_id == self._run_id) & ~self._has_vector() & self._is_told()
        query = select(texts.c.key, texts.c.text).where(mine).order_by(texts.c.key)
        with self._connection() as connection:
            return {row.key: read_text(row.key, row.text) for row in connection.execute(query)}

    def _has_vector(self) -> ColumnElement[bool]:
        same = (vectors.c.run_id == texts.c.run_id) & (vectors.c.key == texts.c.key)
        return select(vectors.c.key).where(same, vectors.c.encoder == self._encoder).exists()

    def _is_told(self) -> ColumnElement[bool]:
        same = (uses.c.run_id == texts.c.run_id) & (uses.c.key == texts.c.key) & (events.c.id == uses.c.event_id)
        return select(uses.c.key).where(same, events.c.revoked.is_(None)).exists()

    def text_keys(self) -> frozenset[str]:
        """Return the keys of all texts that were added, whether they are kept or not."""
        query = select(texts.c.key).where(texts.c.run_id == self._run_id)
        with self._connection() as connection:
            return frozenset(connection.execute(query).scalars())

    def models(self) -> dict[str, ModelInfo]:
        """Return the models that were added or described anew and are on offer, in that order."""
        return {name: kept.info for name, kept in self.kept_models().items() if kept.is_offered}

    def kept_models(self) -> dict[str, KeptModel]:
        """Return all models of which a card was written, also those that were removed, the oldest first."""
        query = select(models).where(models.c.run_id == self._run_id).order_by(models.c.id)
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return {
            row.name: KeptModel(
                ModelInfo(row.description, **{number: getattr(row, number) for number in NUMBERS}), row.removed is None
            )
            for row in rows
        }

    def counts(self) -> Counts:
        """Count what the state holds."""
        with self._connection() as connection:

            def count(table, *conditions: ColumnElement[bool]) -> int:
                query = select(func.count()).select_from(table).where(table.c.run_id == self._run_id, *conditions)
                return connection.execute(query).scalar_one()

            revoked = count(events, events.c.revoked.is_not(None))
            return Counts(count(users), count(events), revoked, count(texts), count(models))

    @property
    def run_id(self) -> int:
        """Return the number of the run in its database."""
        return self._run_id

    def reading(self) -> contextlib.AbstractContextManager[Connection]:
        """Give a connection inside a transaction that sees one moment."""
        return self._connection()

    def writing(self) -> contextlib.AbstractContextManager[Connection]:
        """Give a connection inside a transaction that writes beside the events, so that no ranking changes."""
        return self._connection(write=True)

    def owner_of(self, event: int) -> str | None:
        """Return the name of the user whose event it is, None where there is no such event."""
        query = select(users.c.name, users.c.hash).join(events, users.c.id == events.c.user_id)
        with self._connection() as connection:
            mine = query.where(events.c.id == event, events.c.run_id == self._run_id)
            row = connection.execute(mine).one_or_none()
        return None if row is None else self._name(row)

    @contextlib.contextmanager
    def _connection(self, write: bool = False) -> Iterator[Connection]:
        """Give a connection inside a transaction."""
        self._settle_process()
        queue = self._writing if write else contextlib.nullcontext()
        options = {WRITE: True} if write else {}
        engine = self._engine.execution_options(**options)
        with one_line_errors(self.url), queue, engine.begin() as connection:
            yield connection

    def _settle_process(self) -> None:
        if self._process != os.getpid():  # a forked process must not share its parent's connections
            self._engine.dispose(close=False)
            self._process, self._writing = os.getpid(), threading.Lock()

    def _reading_scalar(self, query):
        with self._connection() as connection:
            return connection.execute(query).scalar_one()

    def _name(self, row: Row) -> str:
        """Return a user's name, checked."""
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
