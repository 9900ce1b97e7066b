"""Add what a model's card states beside two prices, and when a model was taken off the offer.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; models that were added before state none of these and are on offer."""
    for name in ("cached_input_price", "switch_cost", "removed"):
        op.add_column("models", sa.Column(name, sa.Double(), nullable=True))
