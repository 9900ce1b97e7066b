"""Keep what a gateway decided for a while, so that what people say of it later finds its question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from gmt.state.blank_decisions import NOBODY, delete_decisions
from gmt.state.database_tables import decisions
from gmt.state.events import short_hash
from gmt.state.run_rows import chunks
from gmt.state.state_store import StateStore


@dataclass(frozen=True)
class KeptDecision:
    """Hold one decision.

    Args:
        id: Its number, which cannot be guessed.
        user: Who asked, as the run knows them; None where nobody is named.
        conversation: Names the messages that it answered, or the session.
        created: UTC seconds.
        payload: Everything else, as plain values; empty where it was deleted a moment ago.
    """

    id: str
    user: str | None
    conversation: str
    created: float
    payload: Mapping[str, Any]


class KeptDecisions:
    """Write and read decisions of one run, beside its events.

    Args:
        store: The state of the run.
    """

    def __init__(self, store: StateStore) -> None:
        self.store = store

    def add(self, rows: Sequence[KeptDecision]) -> None:
        """Write decisions in one transaction; those that an earlier call wrote stay as they are."""
        values = [
            {
                "id": row.id,
                "run_id": self.store.run_id,
                "owner": NOBODY if row.user is None else self.store.hash_of(row.user),
                "conversation": short_hash(row.conversation),
                "created": row.created,
                "payload": json.dumps({"user": row.user, "conversation": row.conversation, **row.payload}),
            }
            for row in rows
        ]
        if values:
            with self.store.writing() as connection:
                # Where a connection breaks during a commit the rows may be there already, and are sent again.
                new = {"postgresql": postgresql, "sqlite": sqlite}[connection.dialect.name].insert(decisions)
                connection.execute(new.on_conflict_do_nothing(index_elements=[decisions.c.id]), values)

    def get(self, id: str) -> KeptDecision | None:
        """Return a decision, None where there is none of that number any more."""
        found = self._read(decisions.c.id == id)
        return found[0] if found else None

    def last_of(self, conversation: str) -> KeptDecision | None:
        """Return the newest decision of a conversation."""
        found = self._read(decisions.c.conversation == short_hash(conversation), limit=1)
        return found[0] if found else None

    def of_user(self, user: str) -> list[KeptDecision]:
        """Return a user's decisions, the newest first."""
        return self._read(decisions.c.owner == self.store.hash_of(user))

    def drop(self, ids: Sequence[str]) -> None:
        """Delete decisions, as where their user was forgotten before they were written; see `delete_decisions`."""
        with self.store.writing() as connection:
            for some in chunks(list(ids)):
                delete_decisions(connection, (decisions.c.run_id == self.store.run_id) & decisions.c.id.in_(some))

    def purge(self, before: float) -> int:
        """Delete decisions made before a moment (UTC seconds); return how many."""
        old = (decisions.c.run_id == self.store.run_id) & (decisions.c.created < before)
        with self.store.writing() as connection:
            return connection.execute(delete(decisions).where(old)).rowcount

    def _read(self, condition: Any, limit: int | None = None) -> list[KeptDecision]:
        query = select(decisions).where(decisions.c.run_id == self.store.run_id, condition)
        with self.store.reading() as connection:
            rows = connection.execute(query.order_by(decisions.c.created.desc()).limit(limit)).all()
        out = []
        for row in rows:
            body = json.loads(row.payload)
            out.append(KeptDecision(row.id, body.pop("user", None), body.pop("conversation", ""), row.created, body))
        return out
