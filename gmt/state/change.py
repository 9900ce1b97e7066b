"""Change a run's state inside one transaction: add, revoke and forget what users added, offer models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select, update

from gmt.data.comparisons import Comparison
from gmt.data.text_keys import key_of
from gmt.errors import DataError, UserError
from gmt.state.database_tables import conversations, decisions, events, runs, users, uses
from gmt.state.events import COMPARISON, Encoded, encode, pack, payload_of, seal_of, storable, stored_key, user_hash
from gmt.state.model_rows import ModelRows
from gmt.state.run_rows import chunks


@dataclass(frozen=True)
class Added:
    """Say what became of the rounds handed over.

    Args:
        ids: One for each round, in order: its event, or the event it repeats; None where it repeats a trained round.
        added: How many were written.
        repeats: How many were known already.
    """

    ids: tuple[int | None, ...]
    added: int
    repeats: int


@dataclass(frozen=True)
class Forgotten:
    """Say what was deleted of a user.

    Args:
        events: Rounds, revoked ones too.
        texts: Texts that nobody else uses.
        remains: Where bytes of it still are, and what ends that; None where they are gone.
    """

    events: int
    texts: int
    remains: str | None = None


class Change(ModelRows):
    """Write to one run's state; `StateStore.change` makes one and commits it whole or not at all.

    Args:
        connection: Inside a transaction that holds the run's row, so that there is one writer at a time and events
            get their numbers in the order in which they are committed.
        run_id, run: Number and name of the run.
        encoder: Hash of the encoder that vectors are of.
        keep_texts: Write texts, not only their keys.
    """

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
        """Append rounds of a user; repeats of what counts already are left out.

        Rounds join the conversation of the same name that earlier calls began where they come after all of its turns;
        else they are another conversation, told apart from those of other calls that have the same name.

        Args:
            user: Who adds them.
            rounds: What is added; the user they name is not looked at.
            keys: One idempotency key for each round, by which the same request, sent again, is known.
            replace: Revoke all earlier rounds of this user, and set aside what they rated before the training.
            vectors: Text -> (D,) vector; those of the rounds' texts and models' names are kept.
            known: The user's rounds in the trained history, unless they were set aside.
            source: Where the rounds come from.

        Raises:
            DataError: A name or text cannot be stored.
            UserError: A key was used for another round.
        """
        name = _user_name(user)
        encoded = [encode(item) for item in rounds]
        keys = list(keys) if keys is not None else [None] * len(encoded)
        for key in keys:
            if key is not None and not 0 < len(storable(key, "the idempotency key")) <= 200:
                raise DataError(f"an idempotency key has {len(key)} characters; expected 1 to 200")
        user_id = self._user_id(name)
        if replace:
            self._replace(user_id, name, [key for key in keys if key is not None])
            known = ()
        # 1. What is known: by key, whether it still counts or not; by content, only what counts.
        trained = {encode(item, stored_key).content for item in known}
        by_key = self._of_keys(user_id, [key for key in keys if key is not None])
        by_content = self._of_contents(user_id, [one.content for one in encoded])
        # 2. Rounds that are new get the name of their conversation and a place in the log.
        taken = {item.conversation for item in known}
        names: dict[str, str] = {}
        turns: dict[str, tuple[int, int]] = {}  # conversation -> the first and the last turn that are new
        for one in encoded:
            if one.content not in trained and one.content not in by_content:
                turn = one.body["turn"]
                low, high = turns.get(one.conversation, (turn, turn))
                turns[one.conversation] = min(turn, low), max(turn, high)
        found: list[int | None] = [None] * len(encoded)
        fresh: dict[str, int] = {}  # content -> its place among the rows
        place: dict[int, int] = {}  # position of a round -> the row that stands for it
        rows: list[dict[str, Any]] = []
        new: list[Encoded] = []
        for position, (one, key) in enumerate(zip(encoded, keys, strict=True)):
            event: int | None
            if key is not None and key in by_key:
                event, content = by_key[key]
                if content != one.content:
                    raise UserError(f"idempotency key {key[:60]!r} stands for another vote; send a new key")
            else:
                event = by_content.get(one.content)
            if event is not None:
                found[position] = event
            elif one.content in fresh:
                place[position] = fresh[one.content]
            elif one.content not in trained:
                if one.conversation not in names:
                    span = turns[one.conversation]
                    names[one.conversation] = self._conversation(user_id, name, one.conversation, span, taken)
                fresh[one.content] = place[position] = len(rows)
                new.append(one)
                rows.append(self._row(user_id, name, one, key, names[one.conversation], source))
            if key is not None:
                by_key.setdefault(key, (event, one.content))  # the same key again, with another round, is a mistake
        ids = self._write(rows, new, vectors or {})
        found = [ids[place[n]] if n in place else event for n, event in enumerate(found)]
        return Added(tuple(found), len(rows), len(encoded) - len(rows))

    def revoke(self, event: int, user: str | None = None) -> bool:
        """Take back one event; return whether it still counted.

        Args:
            event: Its number.
            user: Whose it must be.

        Raises:
            UserError: There is no such event, or it is somebody else's.
        """
        query = select(events.c.revoked, events.c.payload, users.c.hash).join(users, users.c.id == events.c.user_id)
        row = self.connection.execute(query.where(events.c.id == event, events.c.run_id == self.run_id)).one_or_none()
        if row is None or (user is not None and row.hash != user_hash(self.run, user)):
            raise UserError(
                f"there is no event {event} of {'anybody' if user is None else repr(user[:60])} in this run"
            )
        if row.revoked is not None:
            return False
        values = {"revoked": self.now, "version": self._touch()}
        self.connection.execute(update(events).where(events.c.id == event).values(values))
        self._take_back(row.payload)
        return True

    def forget(self, user: str) -> Forgotten:
        """Delete all that a user added and set aside what they had rated before the training.

        Only a hash of the name stays, by which the trained history is read without that user.
        """
        owner = user_hash(self.run, user)
        user_id = self.connection.execute(self._user(owner)).scalar()
        gone = orphans = 0
        if user_id is not None:
            mine = select(events.c.id).where(events.c.user_id == user_id)
            named = select(uses.c.key).where(uses.c.event_id.in_(mine)).distinct()
            keys = list(self.connection.execute(named).scalars())
            gone = self.connection.execute(delete(events).where(events.c.user_id == user_id)).rowcount
            self.connection.execute(delete(users).where(users.c.id == user_id))
            orphans = self._delete_unused(keys)
        self.connection.execute(delete(decisions).where(decisions.c.run_id == self.run_id, decisions.c.owner == owner))
        self._set_aside(owner)
        self.connection.execute(update(runs).where(runs.c.id == self.run_id).values(scrub=True))
        return Forgotten(gone, orphans)

    def set_offset(self, user: str, offset: np.ndarray | None) -> None:
        """Keep the (D,) vector that is added to a user's state, or drop it."""
        user_id = self._user_id(_user_name(user))
        values = {"offset_vector": None if offset is None else pack(offset), "version": self._touch()}
        self.connection.execute(update(users).where(users.c.id == user_id).values(values))

    def drop_offsets(self) -> int:
        """Drop the vectors of all users, which belong to a network that is replaced; return how many there were."""
        mine = (users.c.run_id == self.run_id) & users.c.offset_vector.is_not(None)
        values = {"offset_vector": None, "version": self.version}
        gone = self.connection.execute(update(users).where(mine).values(values)).rowcount
        if gone:
            self._touch()
        return gone

    def _replace(self, user_id: int, name: str, kept: Collection[str]) -> None:
        """Revoke what a user added, but not what came with the same keys: that is this request, sent again."""
        live = select(events.c.id, events.c.key).where(events.c.user_id == user_id, events.c.revoked.is_(None))
        rows, same = self.connection.execute(live).all(), set(kept)
        gone = [row.id for row in rows if row.key not in same]
        values = {"revoked": self.now, "version": self._touch()}
        for some in chunks(gone):
            self.connection.execute(update(events).where(events.c.id.in_(some)).values(values))
        if len(gone) == len(rows):  # nothing that counts bears their names any more
            self.connection.execute(delete(conversations).where(conversations.c.user_id == user_id))
        self.connection.execute(update(users).where(users.c.id == user_id).values(version=self.version))
        self._set_aside(user_hash(self.run, name))

    def _of_keys(self, user_id: int, keys: Sequence[str]) -> dict[str, tuple[int | None, str]]:
        query = select(events.c.key, events.c.id, events.c.content).where(events.c.user_id == user_id)
        found = (self.connection.execute(query.where(events.c.key.in_(some))) for some in chunks(keys))
        return {row.key: (row.id, row.content) for rows in found for row in rows}

    def _of_contents(self, user_id: int, contents: Sequence[str]) -> dict[str, int]:
        query = select(events.c.content, events.c.id).where(events.c.user_id == user_id, events.c.revoked.is_(None))
        found = (self.connection.execute(query.where(events.c.content.in_(some))) for some in chunks(contents))
        return {row.content: row.id for rows in found for row in rows}

    def _row(self, user_id: int, user: str, one: Encoded, key: str | None, conversation: str, source: str) -> dict:
        payload = payload_of(one, conversation)
        return {
            "run_id": self.run_id,
            "user_id": user_id,
            "key": key,
            "form": COMPARISON,
            "payload": payload,
            "content": one.content,
            "seal": seal_of(user_hash(self.run, user), COMPARISON, key, payload),
            "source": storable(source, "source")[:40],
            "created": self.now,
            "version": self.version,
        }

    def _write(
        self, rows: Sequence[dict], encoded: Sequence[Encoded], given: Mapping[str, np.ndarray]
    ) -> Sequence[int]:
        """Write events and their texts; return their numbers."""
        if not rows:
            return []
        self._touch()
        query = insert(events).returning(events.c.id, sort_by_parameter_order=True)
        ids = list(self.connection.execute(query, rows).scalars())
        named = [dict(one.texts) | {key_of(name): name for name in one.models if name in given} for one in encoded]
        self._remember({key: text for item in named for key, text in item.items()}, given)
        links = [
            {"run_id": self.run_id, "event_id": event, "key": key}
            for event, item in zip(ids, named, strict=True)
            for key in item
        ]
        self.connection.execute(insert(uses), links)
        return ids


def _user_name(user: str) -> str:
    if not user.strip() or user.strip() != user:
        raise UserError(f"user is {user[:60]!r}; expected a name without blanks around it")
    return storable(user, "user")
