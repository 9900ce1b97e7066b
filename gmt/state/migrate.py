"""Bring a database to the schema of this gmt, and refuse one that a newer gmt has made."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from gmt.errors import RunError
from gmt.files import locked
from gmt.state.engine import WRITE

FOLDER = Path(__file__).parent / "migrations"
HEAD = "0003"
"""The newest revision in `migrations/versions`; a database that has it is opened without Alembic."""
LOCK = 0x676D74
"""Number of the lock that keeps two upgrades of one PostgreSQL database apart."""
_one_at_a_time = threading.Lock()  # Alembic keeps the migration under way in global names


def bring_up_to_date(engine: Engine) -> None:
    """Create or upgrade the tables where that is needed, in one transaction, however many open the database at once.

    Raises:
        RunError: The schema is one that this gmt does not know.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        current = _revision(connection) == HEAD and (not is_sqlite or _has_wal(connection))
    if current:
        return
    guard = locked(Path(str(engine.url.database))) if is_sqlite else contextlib.nullcontext()
    with _one_at_a_time, guard:
        if is_sqlite:
            _turn_on_wal(engine)
        with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
            if not is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            found = _revision(connection)
            if found != HEAD:
                _upgrade(connection, found)


def _revision(connection: Connection) -> str | None:
    """Return the revision of a database, None where it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if found is not None and found not in known:
        raise RunError(f"the state has schema {found} and this gmt knows {HEAD}; install the gmt that last wrote it")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _has_wal(connection: Connection) -> bool:
    return connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def _turn_on_wal(engine: Engine) -> None:
    """Let readers and a writer work at once; the file remembers it."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")  # not inside a transaction
    finally:
        raw.close()
