"""The door of jobs: ask for work with the change that needs it; it is done once, whoever dies meanwhile."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.core import clock, origin
from app.core.config import Settings
from app.core.ids import UUID, uuid7
from app.features.jobs import declared, records
from app.features.jobs.backlog import Backlog, Timetabled, backlog, timetable
from app.features.jobs.declared import Declared, Hopeless, job, register
from app.features.jobs.models import Job
from app.features.jobs.personal import erase, held_of
from app.features.jobs.records import SHOWN, NoSuchDeadJob, Record, discard, forget_old, list_records, retry
from app.features.jobs.timetable import run_due
from app.features.jobs.working import WORK, key, sweep, work, work_next
from app.infra import db, queue

__all__ = [
    "SHOWN",
    "WORK",
    "Backlog",
    "Declared",
    "Hopeless",
    "NoSuchDeadJob",
    "Record",
    "Timetabled",
    "backlog",
    "connect",
    "discard",
    "enqueue",
    "erase",
    "forget_old",
    "held_of",
    "job",
    "key",
    "list_records",
    "register",
    "retry",
    "run_due",
    "sweep",
    "timetable",
    "work",
    "work_next",
]


def connect(settings: Settings) -> None:
    """Learn how long jobs that are done are kept."""
    records.connect(settings)


def enqueue(
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    once: str | None = None,
    about: int | None = None,
    after: timedelta = timedelta(0),
) -> UUID | None:
    """Ask for a job with the present transaction: all of it happens, or nothing. Return its id.

    ``arguments`` is JSON by the names of the job's parameters; it is stored encrypted. Of all that say the same
    ``once``, only one waits, runs or is dead at a time: None is returned for another. ``about`` is the number of the
    person whom it concerns: what is not done is deleted with them. Raises LookupError for a job that is not
    declared, and TypeError for arguments that are not its own.
    """
    given = dict(arguments or {})
    if not declared.is_known(name):
        raise LookupError(f"no job is called {name!r}")
    declared.find(name).check(given)
    now = clock.now()
    carried = origin.carried()
    row = {
        "id": uuid7(),
        "task": name,
        "arguments": json.dumps(given, allow_nan=False).encode(),
        "once": once,
        "created_at": now,
        "due_at": now + after,
        "about_id": about,
        **{name: carried[name] for name in ("request_id", "trace_id", "user_id")},
    }
    statement = db.upsert(Job).values(row).on_conflict_do_nothing(index_elements=["once"]).returning(Job.id)
    asked: UUID | None = db.session().execute(statement).scalar()
    if asked is not None and not after:
        queue.enqueue(WORK)
    return asked
