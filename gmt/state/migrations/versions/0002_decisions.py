"""Create the table of what a gateway decided.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and its indexes."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("run_id", number, nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("conversation", sa.String(length=32), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_decisions_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_run_id_owner", "decisions", ["run_id", "owner"], unique=False)
    op.create_index(
        "ix_decisions_run_id_conversation_created", "decisions", ["run_id", "conversation", "created"], unique=False
    )
    op.create_index("ix_decisions_run_id_created", "decisions", ["run_id", "created"], unique=False)
