"""Keep levels of loggers that hold for a time, and of each mail whose request and trace it belongs to.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "log_levels",
        sa.Column("logger", sa.String(length=100), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("logger", name=op.f("pk_log_levels")),
    )
    op.add_column("mail_outbox", sa.Column("trace_id", sa.String(length=32), nullable=True))
    op.add_column("mail_outbox", sa.Column("asked_by", BIG_ID, nullable=True))


def downgrade() -> None:
    for column in ("asked_by", "trace_id"):
        op.drop_column("mail_outbox", column)
    op.drop_table("log_levels")
