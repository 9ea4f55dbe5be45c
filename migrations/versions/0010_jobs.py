"""Keep jobs until they are done, and how the tasks of the timetable fare.

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("status IN ('pending', 'running')")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("arguments", sa.LargeBinary(), nullable=True),
        sa.Column("once", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", BIG_ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("trace_id", sa.String(length=64), nullable=True),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("about_id", BIG_ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("once", name=op.f("uq_jobs_once")),
    )
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"], postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index("ix_jobs_user_id", "jobs", ["user_id"])
    op.create_index("ix_jobs_about_id", "jobs", ["about_id"])
    op.add_column("timetable", sa.Column("failures", BIG_ID, server_default="0", nullable=False))
    op.add_column("timetable", sa.Column("last_error", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("timetable", "last_error")
    op.drop_column("timetable", "failures")
    op.drop_table("jobs")
