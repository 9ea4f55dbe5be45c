"""What sessions and links hold of one person, and how long they are kept."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select

from app.core import clock
from app.core.config import Settings
from app.features.auth.models import OneTimeCode, Session
from app.infra import db, held

_BATCH = 1000

_kept = timedelta(days=90)


def connect(settings: Settings) -> None:
    """Learn how long ended sessions are kept."""
    global _kept  # noqa: PLW0603 -- set once during assembly
    _kept = timedelta(days=settings.session_retention_days)


def held_of(user_id: int) -> dict[str, Any]:
    """Return somebody's sessions, also ended ones, and the links that were mailed to them, without what opens them.

    Where a session was begun by an administrator in their name, from where is not theirs to know.
    """
    sessions = held.rows(Session, Session.user_id == user_id, but={"user_id", "gen"})
    for session in sessions:
        if session["impersonator_id"] is not None:
            session.update(ip=None, user_agent=None)
    links = held.rows(OneTimeCode, OneTimeCode.user_id == user_id, but={"user_id", "hash"})
    return {"sessions": sessions, "links": links}


def erase(user_id: int) -> None:
    """Delete somebody's sessions, those in which they acted as others, and their links."""
    db.session().execute(delete(Session).where(or_(Session.user_id == user_id, Session.impersonator_id == user_id)))
    end_links(user_id)


def end_links(user_id: int) -> None:
    """Let every link that was mailed to somebody lead nowhere from now on."""
    db.session().execute(delete(OneTimeCode).where(OneTimeCode.user_id == user_id))


def forget_ended_sessions() -> int:
    """Delete sessions that ended longer ago than SESSION_RETENTION_DAYS, in batches; return how many."""
    before = clock.now() - _kept
    ended = or_(Session.revoked_at < before, Session.expires_at < before)
    return _delete_in_batches(Session.id, ended)


def forget_expired_links() -> int:
    """Delete one-time codes that are no longer good for anything, in batches; return how many."""
    return _delete_in_batches(OneTimeCode.hash, OneTimeCode.expires_at <= clock.now())


def _delete_in_batches(key: Any, which: ColumnElement[bool]) -> int:  # noqa: ANN401 -- the key column of any table
    """Each batch is a transaction of its own: nobody waits long for it, and killed in between it goes on later."""
    total = 0
    while True:
        with db.apart() as session:
            some = select(key).where(which).limit(_BATCH)
            gone = len(session.scalars(delete(key.class_).where(key.in_(some)).returning(key)).all())
        total += gone
        if gone < _BATCH:
            return total
