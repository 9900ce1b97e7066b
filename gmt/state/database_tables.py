"""Name the tables of the state: what users added to a run after its training, as an append-only log of events."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
HASH = 32
"""Hex digits of a hash by which a text, a user or a conversation is looked up."""

metadata = MetaData(naming_convention=NAMES)
number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in a column called INTEGER


def _run() -> Column:
    return Column("run_id", number, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False)


def _owner() -> Column:
    return Column("user_id", number, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


# `version` counts the writing transactions of a run. Rows that readers follow bear the one that wrote them last, so
# that "what is new since 17" is one look into an index.
runs = Table(
    "runs",
    metadata,
    Column("id", number, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("created", Double, nullable=False),
    Column("version", number, nullable=False),
    Column("scrub", Boolean, nullable=False),  # something was forgotten and its bytes may still be in the file
)
users = Table(
    "users",
    metadata,
    Column("id", number, primary_key=True, autoincrement=True),
    _run(),
    Column("hash", String(HASH), nullable=False),
    Column("name", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("version", number, nullable=False),
    Column("offset_vector", LargeBinary),
    UniqueConstraint("run_id", "hash"),
    Index(None, "run_id", "version"),
    sqlite_autoincrement=True,
)
conversations = Table(
    "conversations",
    metadata,
    Column("run_id", number, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(HASH), primary_key=True),
    _owner(),
    Column("copies", Integer, nullable=False),
    Index(None, "user_id"),
)
events = Table(
    "events",
    metadata,
    Column("id", number, primary_key=True, autoincrement=True),
    _run(),
    _owner(),
    Column("key", String(200)),
    Column("form", String(20), nullable=False),
    Column("payload", Text, nullable=False),
    Column("content", String(HASH), nullable=False),
    Column("seal", String(HASH), nullable=False),
    Column("source", String(40), nullable=False),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
    Column("version", number, nullable=False),
    UniqueConstraint("user_id", "key"),
    Index(None, "run_id", "version", "id"),
    # The same round counts once; after it was revoked it may be added again.
    Index(
        "uq_events_live_content",
        "user_id",
        "content",
        unique=True,
        sqlite_where=text("revoked IS NULL"),
        postgresql_where=text("revoked IS NULL"),
    ),
    sqlite_autoincrement=True,
)
texts = Table(
    "texts",
    metadata,
    Column("run_id", number, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(HASH), primary_key=True),
    Column("text", LargeBinary),  # UTF-8, for PostgreSQL's own texts cannot hold every character
)
uses = Table(
    "uses",
    metadata,
    Column("event_id", number, ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(HASH), primary_key=True),
    _run(),
    ForeignKeyConstraint(["run_id", "key"], ["texts.run_id", "texts.key"]),
    Index(None, "run_id", "key"),
)
vectors = Table(
    "vectors",
    metadata,
    Column("run_id", number, primary_key=True),
    Column("key", String(HASH), primary_key=True),
    Column("encoder", String(HASH), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    ForeignKeyConstraint(["run_id", "key"], ["texts.run_id", "texts.key"], ondelete="CASCADE"),
)
models = Table(
    "models",
    metadata,
    Column("id", number, primary_key=True, autoincrement=True),
    _run(),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("key", String(HASH), nullable=False),
    Column("input_price", Double),
    Column("output_price", Double),
    Column("cached_input_price", Double),
    Column("switch_cost", Double),
    Column("removed", Double),  # when it was taken off the offer; votes on it stay
    Column("created", Double, nullable=False),
    Column("version", number, nullable=False),
    UniqueConstraint("run_id", "name"),
    ForeignKeyConstraint(["run_id", "key"], ["texts.run_id", "texts.key"]),
    Index(None, "run_id", "key"),
    Index(None, "run_id", "version"),
)
forgotten = Table(
    "forgotten",
    metadata,
    Column("run_id", number, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(HASH), primary_key=True),
    Column("at", Double, nullable=False),
    Column("version", number, nullable=False),
    Index(None, "run_id", "version"),
)
# What a gateway decided, so that what is said of it later finds its question. Writing here does not count as a change
# of the run: no ranking depends on it.
decisions = Table(
    "decisions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("run_id", number, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("owner", String(HASH), nullable=False),
    Column("conversation", String(HASH), nullable=False),
    Column("created", Double, nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "run_id", "owner"),
    Index(None, "run_id", "conversation", "created"),
    Index(None, "run_id", "created"),
)
