"""Does what is due: whoever takes a job has it for a while, and its effect is stored together with its being done.

A process that dies keeps what it took until the lease ends; then another takes it. One that was only slow finds at
its end that the job is no longer its own, and everything it did is rolled back.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, update

from app.core import clock, origin
from app.core.ids import UUID
from app.features.jobs import declared
from app.features.jobs.declared import Declared, Hopeless, UnknownArguments
from app.features.jobs.models import OPEN, AnyRow, Job
from app.infra import alarm, db, metrics, queue, reporting, tracing
from app.infra.query import Query

log = logging.getLogger(__name__)

WORK = "jobs.work"
"""The task that does what is due."""

DIED = "WorkerDied"
"""The kind of error of a job whose process was gone when its lease was over."""

_ROUND_SECONDS = 2.0
"""After so long the rest is left to another round: others want their turn, and a worker may have to end."""

_GRACE = timedelta(seconds=5)
"""Between the end of a job's time and that of its lease: clocks of machines differ."""

_LEFT_TO_OTHERS = timedelta(days=1)
"""So long a job that this release does not know is left to one that does: two work side by side during an upgrade."""

_present: ContextVar[UUID | None] = ContextVar("job", default=None)

_ARGUMENTS = Query(
    select(Job.__table__.c.arguments).where(Job.__table__.c.id == bindparam("id", type_=Job.__table__.c.id.type))
)


class LeaseLost(Exception):
    """Another process has the job by now, or somebody discarded it: nothing of this attempt is stored."""


def key() -> str:
    """Return the id of the job at hand: for a neighbour, the key by which it knows a repetition."""
    present = _present.get()
    if present is None:
        raise RuntimeError("no job is at hand")
    return str(present)


def sweep() -> None:
    """Have somebody work if there is something to do, although nobody heard of it."""
    if _is_any_due():
        queue.wake(WORK)


def work() -> None:
    """Do what is due, oldest first, for a moment; leave the rest to another round."""
    ends = time.monotonic() + _ROUND_SECONDS
    while not queue.is_ending() and work_next():
        if time.monotonic() > ends:
            queue.wake(WORK)
            return


def work_next() -> bool:
    """Take a job that is due and do it. False if there is none."""
    if not _is_any_due():
        return False
    job = _take()
    if job is None:
        return False
    if job.is_exhausted:
        metrics.job(_label(job.task), "dead")
    else:
        _attempt(job)
    return True


class _Taken:
    """A job that is ours, until its lease is over or it is done."""

    __slots__ = ("attempt", "carried", "created_at", "declared", "id", "is_exhausted", "task")

    def __init__(self, row: AnyRow) -> None:
        self.id: UUID = row.id
        self.task: str = row.task
        self.created_at: datetime = row.created_at
        self.declared: Declared = declared.find(row.task)
        self.is_exhausted = row.attempts >= self.declared.attempts
        self.attempt: int = row.attempts + 1
        self.carried = {"request_id": row.request_id, "trace_id": row.trace_id, "user_id": row.user_id}

    def leased(self) -> dict[str, Any]:
        """Return the values of its row while it is ours; of one that killed each who took it, that it is dead."""
        if self.is_exhausted:
            return {"status": "dead", "finished_at": clock.now(), "last_error": DIED}
        return {
            "status": "running",
            "attempts": self.attempt,
            "due_at": clock.now() + self.declared.limit + _GRACE,
        }


def _is_any_due() -> bool:
    now = clock.now()
    return _due(declared.names()).first(now=now, long_ago=now - _LEFT_TO_OTHERS) is not None


@lru_cache(maxsize=8)
def _due(names: tuple[str, ...]) -> Query:
    now, long_ago = (bindparam(name, type_=Job.due_at.type) for name in ("now", "long_ago"))
    table = Job.__table__.c
    return Query(select(table.id).where(OPEN, table.due_at <= now, _is_ours(names, long_ago)).limit(1))


def _is_ours(names: tuple[str, ...], long_ago: Any) -> ColumnElement[bool]:  # noqa: ANN401 -- a time, or its parameter
    """Leave a job that this release does not know to one that does, unless none came."""
    return or_(Job.__table__.c.due_at <= long_ago, *(Job.__table__.c.task == name for name in names))


def _take() -> _Taken | None:
    now = clock.now()
    columns = (Job.id, Job.task, Job.attempts, Job.created_at, Job.request_id, Job.trace_id, Job.user_id)
    ours = _is_ours(declared.names(), now - _LEFT_TO_OTHERS)
    due = select(*columns).where(OPEN, Job.due_at <= now, ours).order_by(Job.due_at, Job.id).limit(1)
    with db.apart() as session:
        row = session.execute(due.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        taken = _Taken(row)
        session.execute(update(Job).where(Job.id == taken.id).values(taken.leased()))
    if taken.is_exhausted:
        log.error("a job is dead", extra={"job": str(taken.id), "task": taken.task, "error": DIED})
    return taken


def _attempt(job: _Taken) -> None:
    began = time.perf_counter()
    with _as_work_of(job):
        outcome = _tried(job)
    metrics.job(_label(job.task), outcome, time.perf_counter() - began)


def _tried(job: _Taken) -> str:
    """Do it, and return what became of it: done, retried, dead or lost."""
    try:
        arguments = _arguments(job)
        with alarm.after(job.declared.limit.total_seconds()), db.unit_of_work():
            db.before_commit(lambda: _finish(job))
            job.declared.run(**arguments)
    except LeaseLost:
        log.warning("a job was taken over", extra={"job": str(job.id), "task": job.task})
        return "lost"
    except UnknownArguments as error:
        return _fail(job, error) if job.created_at <= clock.now() - _LEFT_TO_OTHERS else _put_back(job)
    except (SystemExit, KeyboardInterrupt) as error:  # a worker that is told to end at once, or the job that ends it
        _fail(job, error)
        raise
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is stored and said
        return _fail(job, error)
    return "done"


def _arguments(job: _Taken) -> dict[str, Any]:
    stored = _ARGUMENTS.first(id=job.id)
    if stored is None or stored.arguments is None:
        raise LeaseLost
    arguments = dict(json.loads(stored.arguments))
    try:
        job.declared.check(arguments)
    except TypeError as error:
        raise UnknownArguments from error
    return arguments


def _finish(job: _Taken) -> None:
    """Store that it is done, with its effect, or raise LeaseLost."""
    now = clock.now()
    if not _settle(job, status="done", finished_at=now, arguments=None, once=None, last_error=None):
        raise LeaseLost


def _put_back(job: _Taken) -> str:
    """Leave it, without counting the attempt, to a release that knows these arguments."""
    log.info("a job is left to another release", extra={"job": str(job.id), "task": job.task})
    due_at = clock.now() + job.declared.wait_after(1)
    with db.apart():
        _settle(job, status="pending", attempts=job.attempt - 1, due_at=due_at, last_error=UnknownArguments.__name__)
    return "retried"


def _fail(job: _Taken, error: BaseException) -> str:
    kind = type(error).__name__[:64]
    is_over = isinstance(error, Hopeless) or job.attempt >= job.declared.attempts
    said = {"job": str(job.id), "task": job.task, "attempt": job.attempt, "error": kind}
    log.error("a job is dead" if is_over else "a job failed", exc_info=error, extra=said)
    due = {"due_at": clock.now() + job.declared.wait_after(job.attempt)}
    after = {"status": "dead", "finished_at": clock.now()} if is_over else {"status": "pending", **due}
    reporting.unforeseen(error, task=job.task)
    with db.apart():
        is_ours = _settle(job, last_error=kind, **after)
    return "lost" if not is_ours else "dead" if is_over else "retried"


def _settle(job: _Taken, **values: Any) -> bool:  # noqa: ANN401 -- columns of the table
    """Change its row, if it is still ours."""
    ours = (Job.id == job.id, Job.status == "running", Job.attempts == job.attempt)
    changed = update(Job).where(*ours).values(values).returning(Job.id)
    return db.session().execute(changed.execution_options(synchronize_session=False)).first() is not None


def _label(task: str) -> str:
    """Return a name for metrics, which must not grow with what other releases wrote."""
    return task if declared.is_known(task) else "unknown"


@contextmanager
def _as_work_of(job: _Taken) -> Iterator[None]:
    """Let lines of the log, of the audit trail and the trace name the request that asked for it."""
    source, around = origin.resumed(job.carried), origin.find()
    if around is not None and around.trace_id == source.trace_id:
        source.traceparent = around.traceparent
    token, before = origin.begin(source), _present.set(job.id)
    try:
        with tracing.working(job.task, source):
            yield
    finally:
        _present.reset(before)
        origin.end(token)
