"""The door of freshness: note who writes, and tell who wrote lately.

A caller's own row is the last that a transaction touches, so two callers never wait for each other here.
"""

from datetime import timedelta

from sqlalchemy import bindparam, delete, func, select

from app.core import clock
from app.core.config import Settings
from app.features.freshness.models import RecentWriter
from app.infra import db, replica
from app.infra.query import Query

__all__ = ["connect", "forget_old", "note", "wrote_lately"]

_COMMIT_SECONDS = 2
"""How long after the last statement of a transaction its commit may take to be stored."""
_KEPT = timedelta(hours=1)

_LATELY = Query(
    select(RecentWriter.user_id).where(
        RecentWriter.user_id == bindparam("user_id"),
        RecentWriter.wrote_at > func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds")),
    )
)

_seconds = 0.0


def connect(settings: Settings) -> None:
    """Learn how far a replica may be behind."""
    global _seconds  # noqa: PLW0603 -- set once during assembly
    _seconds = settings.database_replica_lag_seconds + _COMMIT_SECONDS


def note(user_id: int) -> None:
    """Remember, with the present transaction and as its last statement, that somebody wrote."""
    if replica.is_configured():
        db.before_commit(lambda: _note(user_id))


def wrote_lately(user_id: int) -> bool:
    """Tell whether somebody wrote so lately that a replica in use may not have it. By PostgreSQL's clock alone."""
    return _LATELY.first(user_id=user_id, seconds=_seconds) is not None


def forget_old() -> None:
    """Delete what no replica can be behind of."""
    db.session().execute(delete(RecentWriter).where(RecentWriter.wrote_at < clock.now() - _KEPT))


def _note(user_id: int) -> None:
    written = {"user_id": user_id, "wrote_at": func.clock_timestamp()}
    statement = db.upsert(RecentWriter).values(written)
    moved = statement.on_conflict_do_update(index_elements=["user_id"], set_={"wrote_at": written["wrote_at"]})
    db.session().execute(moved)
