"""Looks at what auth left behind: its rows and its lines in the audit trail."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update

from app.core.paging import PageRequest
from app.features.accounts.models import User
from app.features.audit import service as audit
from app.features.auth.models import Session, SigningKey, ThrottleBucket
from app.infra import db
from tests.api import Person


def audited(event: str) -> Sequence[audit.Event]:
    """Return the events of a name, newest first."""
    with db.unit_of_work(writes=False):
        return audit.list_events(filters={"event": event}, page=PageRequest(per_page=100)).items


def the_trail() -> str:
    """Return everything the trail says, as text to search in."""
    with db.unit_of_work(writes=False):
        return repr(audit.list_events(filters={}, page=PageRequest(per_page=100)).items)


def users_named(*usernames: str) -> int:
    """Count the living who bear one of these user names."""
    with db.unit_of_work(writes=False):
        statement = select(User.id).where(User.username_key.in_(usernames), User.deleted_at.is_(None))
        return len(db.session().scalars(statement).all())


def hash_of(person: Person) -> str:
    """Return what is stored of a password."""
    with db.unit_of_work(writes=False):
        return str(db.session().scalar(select(User.password_hash).where(User.id == person.id)))


def set_user(person: Person, **columns: Any) -> None:
    """Change the row of a user behind the back of the service."""
    with db.unit_of_work():
        db.session().execute(update(User).where(User.id == person.id).values(**columns))


def sessions_of(person: Person) -> Sequence[Session]:
    """Return all sessions of a user, also dead ones, oldest first."""
    with db.unit_of_work(writes=False):
        statement = select(Session).where(Session.user_id == person.id).order_by(Session.id)
        return db.session().scalars(statement).all()


def live_sessions_of(person: Person) -> Sequence[Session]:
    """Return the sessions of a user that nobody ended."""
    return [session for session in sessions_of(person) if session.revoked_at is None]


def buckets() -> dict[str, int]:
    """Return the counters of guesses."""
    with db.unit_of_work(writes=False):
        rows = db.session().execute(select(ThrottleBucket.bucket, ThrottleBucket.n))
        return {row.bucket: row.n for row in rows}


def signing_keys(status: str) -> Sequence[SigningKey]:
    """Return the rows of the keys in a state, newest first."""
    with db.unit_of_work(writes=False):
        statement = select(SigningKey).where(SigningKey.status == status).order_by(SigningKey.created_at.desc())
        return db.session().scalars(statement).all()
