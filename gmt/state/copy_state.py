"""Copy what users added to a run into the state of another one, as it was at one moment."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, insert, select

from gmt.state.database_tables import conversations, events, forgotten, models, texts, users, uses, vectors
from gmt.state.events import seal_of, user_hash
from gmt.state.run_rows import AT_ONCE
from gmt.state.state_store import StateStore


def copy_state(source: StateStore, target: StateStore, trained: Iterable[str] = ()) -> None:
    """Write all of one run's state into another's, which is empty, in one transaction.

    Hashes of users hold the run's name, so they are made anew.

    Args:
        source, target: The two states.
        trained: Names of users in the trained history; of those who were forgotten only these stay set aside.
    """
    with source.reading() as given, target.change() as change:
        out, run_id = change.connection, target.run_id

        def rows(table: Table, *but: str) -> Iterable[dict]:
            found = given.execute(select(table).where(table.c.run_id == source.run_id).order_by(*table.primary_key))
            for row in found.mappings():
                yield {name: value for name, value in row.items() if name not in but} | {"run_id": run_id}

        # 1. People get new numbers, for another run's may stand in the same database.
        number: dict[int, int] = {}
        owner: dict[int, str] = {}
        for row in rows(users):
            old = row.pop("id")
            owner[old] = row["hash"] = user_hash(target.run, row["name"])
            number[old] = out.execute(
                insert(users).returning(users.c.id), row | {"version": change.version}
            ).scalar_one()
        _write(out, texts, rows(texts))
        _write(out, vectors, rows(vectors))
        _write(out, conversations, (row | {"user_id": number[row["user_id"]]} for row in rows(conversations)))
        _write(out, models, (row | {"version": change.version} for row in rows(models, "id")))
        # 2. Events in their order, with what was revoked; each is sealed with its owner's new hash.
        event: dict[int, int] = {}
        for row in rows(events):
            old, of = row.pop("id"), row["user_id"]
            row |= {"user_id": number[of], "version": change.version}
            row["seal"] = seal_of(owner[of], row["form"], row["key"], row["payload"])
            event[old] = out.execute(insert(events).returning(events.c.id), row).scalar_one()
        _write(out, uses, (row | {"event_id": event[row["event_id"]]} for row in rows(uses)))
        # 3. A hash cannot be turned back into a name, but the names it may stand for are in the trained history.
        hidden = {user_hash(source.run, name): user_hash(target.run, name) for name in trained}
        gone = (row for row in rows(forgotten) if row["hash"] in hidden)
        _write(out, forgotten, (row | {"hash": hidden[row["hash"]], "version": change.version} for row in gone))
        change.touch()


def _write(out: Connection, table: Table, rows: Iterable[dict]) -> None:
    part: list[dict] = []
    for row in rows:
        part.append(row)
        if len(part) == AT_ONCE:
            out.execute(insert(table), part)
            part = []
    if part:
        out.execute(insert(table), part)
