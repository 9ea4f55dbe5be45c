"""Forget first names.

Revision: {revision}, after {before}.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None

ALLOWED = {"drop-column": "Release N+3 neither reads nor writes users.first_name; every row has users.given_name."}


def upgrade() -> None:
    op.drop_column("users", "first_name")


def downgrade() -> None:
    op.add_column("users", sa.Column("first_name", sa.String(100), server_default="", nullable=False))
