"""Write single rows of a run's state: users, names of conversations, texts and their vectors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gmt.data.text_keys import stand_in
from gmt.state.database_tables import conversations, forgotten, models, runs, texts, users, uses, vectors
from gmt.state.events import pack, read_text, short_hash, user_hash

AT_ONCE = 500  # values in one statement; both databases take more
T = TypeVar("T")


class RunRows:
    """Write rows of one run inside a transaction; `Change` says what its arguments are and what may be asked."""

    def __init__(self, connection: Connection, run_id: int, run: str, encoder: str, keep_texts: bool) -> None:
        self.connection, self.run_id, self.run = connection, run_id, run
        self.encoder, self.keep_texts = encoder, keep_texts
        held = select(runs.c.version).where(runs.c.id == run_id).with_for_update()
        self.version = connection.execute(held).scalar_one() + 1
        self.now = time.time()
        self.is_changed = False

    def finish(self) -> None:
        """Count the transaction, if it changed anything, so that readers see it."""
        if self.is_changed:
            self.connection.execute(update(runs).where(runs.c.id == self.run_id).values(version=self.version))

    def touch(self) -> None:
        """Count the transaction as one that changed something."""
        self._touch()

    def _touch(self) -> int:
        self.is_changed = True
        return self.version

    def _user(self, owner: str) -> Any:
        return select(users.c.id).where(users.c.run_id == self.run_id, users.c.hash == owner)

    def _user_id(self, name: str) -> int:
        owner = user_hash(self.run, name)
        found = self.connection.execute(self._user(owner)).scalar()
        if found is not None:
            return found
        row = {"run_id": self.run_id, "hash": owner, "name": name, "created": self.now, "version": self._touch()}
        return self.connection.execute(insert(users).returning(users.c.id), row).scalar_one()

    def _set_aside(self, owner: str) -> None:
        """Leave a user's trained rounds out from now on."""
        row = {"run_id": self.run_id, "hash": owner, "at": self.now, "version": self._touch()}
        again = {"at": self.now, "version": self.version}
        query = self._insert(forgotten).on_conflict_do_update(index_elements=["run_id", "hash"], set_=again)
        self.connection.execute(query, row)

    def _conversation(self, user_id: int, user: str, given: str, turns: tuple[int, int], taken: set[str]) -> str:
        """Return the name of the conversation that rounds from a first to a last turn belong to, and keep it.

        It is the last one that was given this name where they come after all of its turns, else a new one, whose name
        no other conversation of the run bears.
        """
        start = given if given.startswith(f"{user}: ") else f"{user}: {given}"
        copies = self._copies(start)
        name = start if copies == 1 else f"{start} ({copies})"
        last = self._last_turn(user_id, name) if copies and name not in taken else None
        if last is None or last >= turns[0]:
            name = self._new_conversation(user_id, start, copies, taken)
        taken.add(name)
        self._count(user_id, turn_hash(name), turns[1])
        return name

    def _new_conversation(self, user_id: int, start: str, copies: int, taken: set[str]) -> str:
        name, number = start, copies or 1
        while name in taken or (copies if name == start else self._copies(name)):
            number += 1
            name = f"{start} ({number})"
        # The first name counts its copies, so that the next free number is found without trying them all.
        counted = {start: number} if name == start else {start: number, name: 1}
        for one, count in counted.items():
            self._count(user_id, short_hash(one), count)
        return name

    def _count(self, user_id: int, key: str, count: int) -> None:
        """Keep the number of copies of a name, or of its conversation's last turn."""
        row = {"run_id": self.run_id, "user_id": user_id, "hash": key, "copies": count}
        query = self._insert(conversations).on_conflict_do_update(
            index_elements=["run_id", "hash"], set_={"copies": count}
        )
        self.connection.execute(query, row)

    def _last_turn(self, user_id: int, name: str) -> int | None:
        """Return the last turn of a user's conversation, None where it is not theirs, or older than such counts."""
        own = (conversations.c.run_id == self.run_id) & (conversations.c.hash == turn_hash(name))
        query = select(conversations.c.copies).where(own, conversations.c.user_id == user_id)
        return self.connection.execute(query).scalar()

    def _take_back(self, payload: str) -> None:
        """Let the turn of a revoked round be said again, if it was the last one of its conversation."""
        body = json.loads(payload)
        own = (conversations.c.run_id == self.run_id) & (conversations.c.hash == turn_hash(body["conversation"]))
        last = update(conversations).where(own, conversations.c.copies == body["turn"])
        self.connection.execute(last.values(copies=body["turn"] - 1))

    def _copies(self, name: str) -> int:
        query = select(conversations.c.copies).where(
            conversations.c.run_id == self.run_id, conversations.c.hash == short_hash(name)
        )
        return self.connection.execute(query).scalar() or 0

    def _remember(self, found: Mapping[str, str], given: Mapping[str, np.ndarray]) -> None:
        """Keep texts, and those of the vectors that are theirs."""
        kept = found if self.keep_texts else {key: stand_in(text) for key, text in found.items()}
        rows = [{"run_id": self.run_id, "key": key, "text": text.encode("utf-8")} for key, text in kept.items()]
        self.connection.execute(self._insert(texts).on_conflict_do_nothing(), rows)
        self.keep_vectors({key: given[text] for key, text in found.items() if text in given})

    def keep_vectors(self, found: Mapping[str, np.ndarray]) -> None:
        """Keep vectors of texts that are kept, or stood for, by key; no ranking changes by that."""
        shared = {"run_id": self.run_id, "encoder": self.encoder}
        rows = [shared | {"key": key, "vector": pack(vector)} for key, vector in found.items()]
        if rows:
            self.connection.execute(self._insert(vectors).on_conflict_do_nothing(), rows)

    def drop_texts(self, keys: Sequence[str]) -> None:
        """Put stand-ins in the place of texts, and have what they were overwritten."""
        for some in chunks(keys):
            mine = (texts.c.run_id == self.run_id) & texts.c.key.in_(some)
            for row in self.connection.execute(select(texts.c.key, texts.c.text).where(mine)).all():
                kept = stand_in(read_text(row.key, row.text)).encode("utf-8")
                self.connection.execute(update(texts).where(mine, texts.c.key == row.key).values(text=kept))
        self._touch()
        self.connection.execute(update(runs).where(runs.c.id == self.run_id).values(scrub=True))

    def _insert(self, table: Table) -> Any:
        """Return an insert of which can be said what it does to rows that are there."""
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        return dialect.insert(table)

    def _delete_unused(self, keys: Sequence[str]) -> int:
        """Delete those texts, with their vectors, that no event and no model uses; return how many went."""
        gone = 0
        for some in chunks(keys):
            mine = (texts.c.run_id == self.run_id) & texts.c.key.in_(some)
            for other in (uses, models):
                same = (other.c.run_id == texts.c.run_id) & (other.c.key == texts.c.key)
                mine &= ~select(other.c.run_id).where(same).exists()
            gone += self.connection.execute(delete(texts).where(mine)).rowcount
        return gone


def turn_hash(conversation: str) -> str:
    """Return the hash under which a conversation's last turn is kept, beside that of its name."""
    return short_hash(conversation, "last turn")


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Cut distinct values into lists short enough for one statement."""
    held = list(dict.fromkeys(values))
    for low in range(0, len(held), AT_ONCE):
        yield held[low : low + AT_ONCE]
