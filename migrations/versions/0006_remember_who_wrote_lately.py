"""Remember who wrote lately, so that they do not read from a replica that lags.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make an empty table; a replica is read by nobody who is in it."""
    op.create_table(
        "recent_writers",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wrote_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_recent_writers"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("recent_writers")
