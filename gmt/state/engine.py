"""Connect to the database of the state, SQLite or PostgreSQL, and say in one line what is wrong with it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gmt.errors import RunError, UserError
from gmt.runs import STATE_FILE

FILE = STATE_FILE
WAIT = 60.0
"""Seconds a writer waits for another one."""
POOLED = 8
WRITE = "gmt_write"
REPAIRS = (
    ("locked", "another command holds it; wait for it to end and try again"),
    ("disk is full", "free some space and try again; nothing was changed"),
    ("disk i/o error", "check the disk; nothing was changed"),
    ("readonly", "make the folder writable, or name another database with --state"),
    ("unable to open", "make the folder writable, or name another database with --state"),
    ("malformed", "restore it from a copy"),
    ("not a database", "restore it from a copy"),
    ("file is encrypted", "restore it from a copy"),
)


def database_url(folder: Path, url: str | None) -> URL:
    """Return where the state of a run is kept: `state.db` in its folder, unless a URL names another database.

    Raises:
        UserError: The URL is none, or is not one of SQLite or PostgreSQL.
    """
    if url is None:
        return URL.create("sqlite", database=str(folder.resolve() / FILE))
    try:
        found = make_url(url)
    except ArgumentError:
        raise UserError("--state is not a URL; expected e.g. postgresql://user@host/name") from None
    backend = found.get_backend_name()
    if backend == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or not found.database or found.database == ":memory:":
        raise UserError(f"--state names {backend}; expected postgresql://user@host/name or sqlite:////path/to/file.db")
    return found


def connect(url: URL) -> Engine:
    """Make the engine of a database; no connection is opened yet.

    Raises:
        RunError: The driver is not installed, or this Python's SQLite is too old.
    """
    if url.get_backend_name() == "postgresql":
        try:
            return create_engine(url, pool_size=POOLED, pool_timeout=WAIT, pool_pre_ping=True)
        except ModuleNotFoundError:
            raise RunError("PostgreSQL needs psycopg, which is missing; pip install 'gmt-router[postgres]'") from None
    if sqlite3.sqlite_version_info < (3, 35):
        raise RunError(f"this Python has SQLite {sqlite3.sqlite_version}; 3.35 or newer is needed, or PostgreSQL")
    engine = create_engine(url, pool_size=POOLED, max_overflow=-1, connect_args={"timeout": WAIT})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


@contextlib.contextmanager
def one_line_errors(url: URL) -> Iterator[None]:
    """Turn what the database says into a `RunError` of one line with a repair; a password is never shown."""
    where = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    try:
        yield
    except PoolTimeout as error:
        raise RunError(f"{where}: no connection was free for {WAIT:.0f} s; use fewer threads") from error
    except (DBAPIError, sqlite3.Error) as error:  # SQLAlchemy wraps nothing of what a pragma says while it connects
        said = (str(getattr(error, "orig", error)).strip().splitlines() or ["no reason given"])[0][:120]
        found = [repair for sign, repair in REPAIRS if sign in said.lower()]
        other = "restore it from a copy" if url.get_backend_name() == "sqlite" else "see that the server runs"
        raise RunError(f"{str(where)[-120:]}: {said}; {found[0] if found else other}") from error


def _set_up(connection: Any, _: Any) -> None:
    """Set what SQLite keeps per connection."""
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    for setting in (
        f"busy_timeout = {int(WAIT * 1000)}",
        "synchronous = FULL",  # what was acknowledged outlives a power cut
        "foreign_keys = ON",
        "secure_delete = ON",  # what is deleted is overwritten
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Any) -> None:
    """Begin a transaction; a writing one takes the lock at once, for one that took it later could not wait for it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITE) else "BEGIN")
