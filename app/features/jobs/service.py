"""The door of jobs: look at the timetable, and run what is due."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select

from app.core import clock
from app.features.jobs.models import Entry
from app.infra import db, queue
from app.infra.query import Query

__all__ = ["run_due"]

_ENTRIES = Query(select(Entry.__table__.c.task, Entry.__table__.c.due_at))


def run_due() -> None:
    """Run every task whose time has come, unless another process was first."""
    entries = {row.task: row.due_at for row in _ENTRIES.rows()}
    for task in queue.timetabled():
        if queue.is_ending():
            return
        if task.every is not None and _is_due(entries.get(task.name), task.every) and _claim(task.name, task.every):
            queue.perform(task.name)


def _is_due(due_at: datetime | None, every: timedelta) -> bool:
    """Tell whether the time has come. One further away than a period was set by a clock or a release of before."""
    return due_at is None or not clock.now() < due_at <= clock.now() + every


def _claim(task: str, every: timedelta) -> bool:
    """Move the time on; of several that try, it moves for one."""
    now = clock.now()
    statement = (
        db.upsert(Entry)
        .values(task=task, due_at=now + every, ran_at=now)
        .on_conflict_do_update(
            index_elements=["task"],
            set_={"due_at": now + every, "ran_at": now},
            where=or_(Entry.due_at <= now, Entry.due_at > now + every),
        )
        .returning(Entry.task)
    )
    with db.unit_of_work():
        return db.session().execute(statement).first() is not None
