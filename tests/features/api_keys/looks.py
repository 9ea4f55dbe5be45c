"""Looks at the keys that are stored, and at all else that is."""

from collections.abc import Sequence

from sqlalchemy import select

from app.features.api_keys.models import ApiKey
from app.infra import db
from app.infra.columns import Model
from tests.api import Person


def keys_of(person: Person) -> Sequence[ApiKey]:
    """Return all keys of a user, also dead ones, oldest first."""
    with db.unit_of_work(writes=False):
        return db.session().scalars(select(ApiKey).where(ApiKey.user_id == person.id).order_by(ApiKey.id)).all()


def live_keys_of(person: Person) -> Sequence[ApiKey]:
    """Return the keys of a user that nobody revoked."""
    return [key for key in keys_of(person) if key.revoked_at is None]


def everything_stored() -> str:
    """Return every row of every table as the database holds it, to search in."""
    with db.engine().connect() as connection:
        rows = [
            tuple(row)
            for table in Model.metadata.sorted_tables
            for row in connection.exec_driver_sql(f"SELECT * FROM {table.name}")  # noqa: S608 -- our own names
        ]
    return repr([[bytes(value) if isinstance(value, memoryview) else value for value in row] for row in rows])
