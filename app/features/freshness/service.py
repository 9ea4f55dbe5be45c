"""The door of freshness: note who writes, and tell who wrote lately.

These rows are the last that a transaction touches, in the order of their ids, so that nobody waits in a circle.
"""

import time
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
        RecentWriter.user_id.in_([bindparam("user_id"), bindparam("other_id")]),
        RecentWriter.wrote_at > func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds")),
    )
)

_NOTED = "writers"

_seconds = 0.0


def connect(settings: Settings) -> None:
    """Learn how far a replica may be behind."""
    global _seconds  # noqa: PLW0603 -- set once during assembly
    _seconds = settings.database_replica_lag_seconds + _COMMIT_SECONDS


def note(user_id: int) -> None:
    """Remember, with the present transaction and as its last statement, that somebody wrote."""
    if replica.is_configured():
        db.session().info.setdefault(_NOTED, set()).add(user_id)
        db.before_commit_once(_note_all)


def wrote_lately(*user_ids: int) -> bool:
    """Tell whether one or two wrote so lately that a replica in use may not have it. By PostgreSQL's clock alone."""
    return _LATELY.first(user_id=user_ids[0], other_id=user_ids[-1], seconds=_seconds) is not None


def forget_old() -> None:
    """Delete what no replica can be behind of."""
    db.session().execute(delete(RecentWriter).where(RecentWriter.wrote_at < clock.now() - _KEPT))


def _note_all() -> None:
    began, user_ids = time.monotonic(), sorted(db.session().info[_NOTED])
    _store(user_ids)
    db.after_commit(lambda: _note_again(user_ids, began))


def _note_again(user_ids: list[int], began: float) -> None:
    """Renew notes that waited longer for their commit than readers allow for, before the writer has the answer."""
    if time.monotonic() - began > _COMMIT_SECONDS:
        with db.apart():
            _store(user_ids)


def _store(user_ids: list[int]) -> None:
    now = func.clock_timestamp()
    statement = db.upsert(RecentWriter).values([{"user_id": user_id, "wrote_at": now} for user_id in user_ids])
    db.session().execute(statement.on_conflict_do_update(index_elements=["user_id"], set_={"wrote_at": now}))
