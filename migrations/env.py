"""Runs migrations on the connection that ``app.infra.migrations`` holds the lock on."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from app.infra.columns import Model, UtcDateTime
from app.main import features

features.load_models()


def render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our types as what they are in the database: a migration must not change when the code does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


connection = context.config.attributes["connection"]
if connection is None:
    message = "run migrations with 'flask db …'"
    raise SystemExit(message)

context.configure(
    connection=connection,
    target_metadata=Model.metadata,
    transaction_per_migration=connection.dialect.name == "postgresql",
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
