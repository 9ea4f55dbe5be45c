"""Jobs as operators see them: what waits, runs, is done or died; never their arguments."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import NotFound
from app.core.ids import UUID
from app.features.audit import service as audit
from app.features.jobs.models import Job
from app.features.jobs.working import WORK
from app.infra import db, queue

_BATCH = 1000
_AT_ONCE = 100
_FIRST = UUID(int=0)

SHOWN = 1000
"""How many jobs a list has at most."""


class NoSuchDeadJob(NotFound):
    """Only dead jobs can be tried again or discarded."""

    code = "NO_SUCH_DEAD_JOB"
    message = "There is no dead job of that id. 'flask jobs dead' lists them."


@dataclass(frozen=True, slots=True)
class Record:
    """One job."""

    id: UUID
    status: str
    task: str
    attempts: int
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None
    last_error: str | None
    request_id: str | None


_COLUMNS = [Job.__table__.c[name] for name in Record.__dataclass_fields__]

_kept = timedelta(days=7)


def connect(settings: Settings) -> None:
    """Learn how long jobs that are done are kept."""
    global _kept  # noqa: PLW0603 -- set once during assembly
    _kept = timedelta(days=settings.jobs_retention_days)


def list_records(*, status: str | None = None, task: str | None = None, limit: int = SHOWN) -> list[Record]:
    """Return jobs in the order in which they were asked for."""
    found = select(*_COLUMNS).order_by(Job.id).limit(limit)
    if status is not None:
        found = found.where(Job.status == status)
    if task is not None:
        found = found.where(Job.task == task)
    return [Record(*row) for row in db.session().execute(found)]


def retry(ids: Collection[UUID] | None) -> int:
    """Give dead jobs, or all of them (None), their attempts back; raise NoSuchDeadJob if one is none."""
    return _in_turn(_retry) if ids is None else _retry(_dead(ids))


def discard(ids: Collection[UUID] | None) -> int:
    """Delete dead jobs, or all of them (None); raise NoSuchDeadJob if one is none."""
    return _in_turn(_discard) if ids is None else _discard(_dead(ids))


def _retry(chosen: Mapping[UUID, str]) -> int:
    fresh = {"status": "pending", "attempts": 0, "due_at": clock.now(), "finished_at": None, "last_error": None}
    db.session().execute(update(Job).where(Job.id.in_(chosen)).values(fresh))
    for job_id, task in chosen.items():
        audit.record("job_retried", target=("job", job_id), detail={"task": task})
    queue.enqueue(WORK)
    return len(chosen)


def _discard(chosen: Mapping[UUID, str]) -> int:
    db.session().execute(delete(Job).where(Job.id.in_(chosen)))
    for job_id, task in chosen.items():
        audit.record("job_discarded", target=("job", job_id), detail={"task": task})
    return len(chosen)


def _in_turn(change: Callable[[Mapping[UUID, str]], int]) -> int:
    """Change all dead jobs, some in each transaction: it keeps others from the audit trail until it is stored."""
    total, last = 0, _FIRST
    while True:
        with db.apart():
            chosen = _dead(after=last)
            total += change(chosen)
        if len(chosen) < _AT_ONCE:
            return total
        last = max(chosen)


def forget_old() -> int:
    """Delete jobs that were done long ago; return how many. Each batch is a transaction of its own."""
    old = select(Job.id).where(Job.status == "done", Job.finished_at < clock.now() - _kept).limit(_BATCH)
    total = 0
    while True:
        with db.apart() as session:
            gone = len(session.execute(delete(Job).where(Job.id.in_(old)).returning(Job.id)).all())
        total += gone
        if gone < _BATCH:
            return total


def _dead(ids: Collection[UUID] | None = None, *, after: UUID = _FIRST) -> dict[UUID, str]:
    """Return the tasks of the chosen jobs, or of the next ones, which nobody else changes from here on."""
    found = select(Job.id, Job.task).where(Job.status == "dead").order_by(Job.id).with_for_update()
    chosen = found.where(Job.id > after).limit(_AT_ONCE) if ids is None else found.where(Job.id.in_(ids))
    rows = db.session().execute(chosen).all()
    if ids is not None and len(rows) < len(set(ids)):
        raise NoSuchDeadJob
    return {row.id: row.task for row in rows}
