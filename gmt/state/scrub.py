"""Overwrite what was deleted, so that what a user added cannot be read out of the file any more."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Engine, update

from gmt.state.database_tables import runs

SERVER = (
    "PostgreSQL keeps deleted rows until it reuses their pages, and its own log and backups; "
    "VACUUM FULL events, texts, uses, users, conversations, vectors empties the tables"
)
BUSY = "state.db-wal holds it while another command reads the run; the next one to open the run clears it"


def scrub(engine: Engine, run_id: int) -> str | None:
    """Rewrite the file without what was deleted and empty its log; return what remains, None if nothing does.

    Args:
        engine: Of the database.
        run_id: The run in which something was forgotten; once all is overwritten its mark goes.
    """
    done = update(runs).where(runs.c.id == run_id).values(scrub=False)
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.execute(done)
        return SERVER
    with engine.connect() as connection:
        # Neither runs inside a transaction, so they go to the driver's connection itself.
        raw = connection.connection.cursor()
        try:
            raw.execute("VACUUM")
            busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            busy = True
        finally:
            raw.close()
    if busy:
        return BUSY
    with engine.begin() as connection:
        connection.execute(done)
    return None
