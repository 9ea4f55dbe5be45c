"""What waits, and what the timetable owes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.core import clock
from app.features.jobs.models import OPEN, Entry, Job
from app.infra import db, queue

STATUSES = ("pending", "running", "done", "dead")


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many jobs there are of each status, and how long the oldest that is due has waited, in seconds."""

    depth: dict[str, int]
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Timetabled:
    """How a task of the timetable fares: failures in a row, the kind of the last, seconds that it is overdue."""

    task: str
    every: timedelta
    due_at: datetime | None
    ran_at: datetime | None
    failures: int
    last_error: str | None
    overdue_seconds: float


def backlog() -> Backlog:
    """Return what waits. A job that is taken waits as well once its lease is over."""
    counted = db.session().execute(select(Job.status, func.count()).group_by(Job.status))
    found: dict[str, int] = dict(counted.all())
    oldest = db.session().scalar(select(func.min(Job.due_at)).where(OPEN))
    return Backlog({status: found.get(status, 0) for status in STATUSES}, _seconds_since(oldest))


def timetable() -> list[Timetabled]:
    """Return every task that is due every so often. One that never ran is not overdue yet."""
    entries = {entry.task: entry for entry in db.session().scalars(select(Entry))}
    return [
        _timetabled(task.name, task.every, entries.get(task.name))
        for task in sorted(queue.timetabled(), key=lambda task: task.name)
        if task.every is not None
    ]


def _timetabled(name: str, every: timedelta, entry: Entry | None) -> Timetabled:
    if entry is None:
        return Timetabled(name, every, None, None, 0, None, 0.0)
    overdue = _seconds_since(entry.due_at)
    return Timetabled(name, every, entry.due_at, entry.ran_at, entry.failures, entry.last_error, overdue)


def _seconds_since(at: datetime | None) -> float:
    return 0.0 if at is None else max(0.0, (clock.now() - at).total_seconds())
