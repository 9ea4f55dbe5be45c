"""What is stored of sign-ins elsewhere, and people made as a test wants them."""

from typing import Any

from sqlalchemy import select, text, update

from app.core import clock
from app.core.caller import OPERATOR
from app.features.accounts import service as accounts
from app.features.audit.models import AuditEvent
from app.features.auth.models import Session
from app.features.oidc.models import Identity
from app.infra import db
from app.infra.columns import Model
from tests.api import Person


def identities() -> list[Identity]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(Identity).order_by(Identity.id)))


def number_of_users() -> int:
    with db.unit_of_work(writes=False):
        return int(db.session().scalar(text("SELECT count(*) FROM users")) or 0)


def events(name: str) -> list[AuditEvent]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(AuditEvent).where(AuditEvent.event == name).order_by(AuditEvent.seq)))


def change(person: Person, **changes: Any) -> None:
    with db.unit_of_work():
        accounts.change(user_id=person.id, changes=changes, guard=lambda _version: None, by=OPERATOR)


def remove(person: Person) -> None:
    with db.unit_of_work():
        accounts.delete(user_id=person.id, guard=lambda _version: None, by=OPERATOR)


def step_up(person: Person) -> None:
    """Let every session of somebody count as reauthenticated now."""
    with db.unit_of_work():
        statement = update(Session).where(Session.user_id == person.id)
        db.session().execute(statement.values(reauthenticated_at=clock.now()))


def everything_stored() -> str:
    """Return every value of every table, as text."""
    with db.unit_of_work(writes=False):
        tables = [db.session().execute(text(f"SELECT * FROM {table}")).all() for table in Model.metadata.tables]  # noqa: S608 -- our own names
    values = [value for table in tables for row in table for value in row]
    return "\n".join(bytes(v).decode("latin1") if isinstance(v, bytes | memoryview) else str(v) for v in values)
