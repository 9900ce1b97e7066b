"""Create the tables of the state.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "runs",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", number, nullable=False),
        sa.Column("scrub", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("uuid", name="uq_runs_uuid"),
    )
    op.create_table(
        "forgotten",
        sa.Column("run_id", number, nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("version", number, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_forgotten_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "hash", name="pk_forgotten"),
    )
    op.create_table(
        "texts",
        sa.Column("run_id", number, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_texts_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_texts"),
    )
    op.create_table(
        "users",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("run_id", number, nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", number, nullable=False),
        sa.Column("offset_vector", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_users_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("run_id", "hash", name="uq_users_run_id_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_run_id_version", "users", ["run_id", "version"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("run_id", number, nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("user_id", number, nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_conversations_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_conversations_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "hash", name="pk_conversations"),
    )
    op.create_index("ix_conversations_user_id", "conversations", ["user_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("run_id", number, nullable=False),
        sa.Column("user_id", number, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("form", sa.String(length=20), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("content", sa.String(length=32), nullable=False),
        sa.Column("seal", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("version", number, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_events_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_events_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("user_id", "key", name="uq_events_user_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_run_id_version_id", "events", ["run_id", "version", "id"], unique=False)
    op.create_index(
        "uq_events_live_content",
        "events",
        ["user_id", "content"],
        unique=True,
        sqlite_where=sa.text("revoked IS NULL"),
        postgresql_where=sa.text("revoked IS NULL"),
    )
    op.create_table(
        "models",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("run_id", number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("input_price", sa.Double(), nullable=True),
        sa.Column("output_price", sa.Double(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", number, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "key"], ["texts.run_id", "texts.key"], name="fk_models_run_id_key"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_models_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("run_id", "name", name="uq_models_run_id_name"),
    )
    op.create_index("ix_forgotten_run_id_version", "forgotten", ["run_id", "version"], unique=False)
    op.create_index("ix_models_run_id_version", "models", ["run_id", "version"], unique=False)
    op.create_index("ix_models_run_id_key", "models", ["run_id", "key"], unique=False)
    op.create_table(
        "vectors",
        sa.Column("run_id", number, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("encoder", sa.String(length=32), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "key"], ["texts.run_id", "texts.key"], name="fk_vectors_run_id_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "key", "encoder", name="pk_vectors"),
    )
    op.create_table(
        "uses",
        sa.Column("event_id", number, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("run_id", number, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_uses_event_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id", "key"], ["texts.run_id", "texts.key"], name="fk_uses_run_id_key"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_uses_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "key", name="pk_uses"),
    )
    op.create_index("ix_uses_run_id_key", "uses", ["run_id", "key"], unique=False)
