"""The timetable: each task that is due runs once, however many processes look."""

import logging
import time
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from app.core import clock
from app.features.jobs.declared import Declared
from app.features.jobs.models import AnyRow, Entry
from app.infra import db, metrics, queue
from app.infra.query import Query
from app.infra.queue import Task

log = logging.getLogger(__name__)

_ENTRIES = Query(select(*Entry.__table__.c))

_LEASE = timedelta(minutes=15)
"""After so long a task that did not come to its end, because its process died, is due again."""

_AFTER_FAILURE = Declared("", lambda: None, first_wait=timedelta(minutes=1))
"""How long a task that failed waits, unless it is due earlier anyway."""


def run_due() -> None:
    """Run every task whose time has come, unless another process was first."""
    entries = {row.task: row for row in _ENTRIES.rows()}
    for task in queue.timetabled():
        if queue.is_ending():
            return
        if task.every is not None:
            _run_if_due(task, task.every, entries.get(task.name))


def _run_if_due(task: Task, every: timedelta, entry: AnyRow | None) -> None:
    if not _is_due(None if entry is None else entry.due_at, every):
        return
    began = clock.now()
    if _claim(task.name, every):
        _run(task, every, began, failures=0 if entry is None else entry.failures)


def _is_due(due_at: datetime | None, every: timedelta) -> bool:
    """Tell whether the time has come. One further away than a period was set by a clock or a release of before."""
    return due_at is None or not clock.now() < due_at <= clock.now() + max(every, _LEASE)


def _claim(task: str, every: timedelta) -> bool:
    """Move the time on; of several that try, it moves for one."""
    now = clock.now()
    until = now + min(every, _LEASE)
    statement = (
        db.upsert(Entry)
        .values(task=task, due_at=until, ran_at=now)
        .on_conflict_do_update(
            index_elements=["task"],
            set_={"due_at": until, "ran_at": now},
            where=or_(Entry.due_at <= now, Entry.due_at > now + max(every, _LEASE)),
        )
        .returning(Entry.task)
    )
    with db.unit_of_work():
        return db.session().execute(statement).first() is not None


def _run(task: Task, every: timedelta, began: datetime, *, failures: int) -> None:
    started = time.perf_counter()
    error = queue.perform(task.name)
    metrics.job(task.name, "retried" if error else "done", time.perf_counter() - started)
    if error is not None:
        wait = min(_AFTER_FAILURE.wait_after(failures + 1), every)
        _note(task, began, due_at=clock.now() + wait, failures=failures + 1, last_error=type(error).__name__[:64])
    elif failures or every > _LEASE:
        _note(task, began, due_at=began + every, failures=0, last_error=None)


def _note(task: Task, began: datetime, **values: object) -> None:
    """Store how it went, unless another process has begun it since."""
    mine = (Entry.task == task.name, Entry.ran_at == began)
    with db.apart() as session:
        session.execute(update(Entry).where(*mine).values(values).execution_options(synchronize_session=False))
