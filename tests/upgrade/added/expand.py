"""Let people have a given name.

Revision: {revision}, after {before}.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("given_name", sa.String(100), nullable=True))
    op.alter_column("users", "first_name", server_default="")  # for a release that does not name it any more


def downgrade() -> None:
    op.alter_column("users", "first_name", server_default=None)
    op.drop_column("users", "given_name")
