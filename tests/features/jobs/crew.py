"""Jobs whose effects can be counted, and the processes that do them: what tests kill.

``python -m tests.features.jobs.crew`` starts a child for each line of standard input, within milliseconds. It works as
a serving process does: in a thread beside requests, of which there are none. It says the child's process id, and when
it is gone.
"""

import os
import secrets
import signal
import sys
from datetime import timedelta
from threading import Event

from sqlalchemy import text

from app.core import clock
from app.core.config import load
from app.features.jobs import service as jobs
from app.features.jobs import working
from app.features.jobs.service import Declared
from app.infra import db, queue
from app.infra.queue import Task
from app.main import features
from app.main.factory import create_app

EVERY = timedelta(seconds=3)
"""How often the task of the timetable is due."""

QUICKLY = {"first_wait": timedelta(seconds=0.05), "longest_wait": timedelta(seconds=0.5)}


def make_tables() -> None:
    """Make the table of effects, which lets in what happens twice."""
    with db.unit_of_work():
        db.session().execute(text("CREATE TABLE IF NOT EXISTS job_effects (name VARCHAR(64), at VARCHAR(40))"))
        db.session().execute(text("DELETE FROM job_effects"))


def drop_tables() -> None:
    """Leave no trace."""
    with db.unit_of_work():
        db.session().execute(text("DROP TABLE IF EXISTS job_effects"))


def effects() -> list[str]:
    """Return the name of each effect, as often as it happened."""
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(text("SELECT name FROM job_effects ORDER BY at")))


def leave(name: str) -> None:
    """Have an effect, slowly enough to be killed before, within and after it."""
    Event().wait(secrets.randbelow(10) / 1000)
    values = {"name": name, "at": clock.rfc3339(clock.now())}
    db.session().execute(text("INSERT INTO job_effects VALUES (:name, :at)"), values)
    if not db.is_postgres():  # SQLite has one writer, who must not dawdle
        return
    Event().wait(secrets.randbelow(10) / 1000)


def fail_at_times(name: str) -> None:
    """Have an effect, and fail one time of three."""
    leave(name)
    if secrets.randbelow(3) == 0:
        raise OSError


def fail(name: str) -> None:
    """Have an effect and fail."""
    leave(name)
    raise OSError


def hold(seconds: float) -> None:
    """Take a while."""
    Event().wait(seconds)
    leave("held")


JOBS = (
    Declared("test.leave", leave, attempts=100, limit=timedelta(seconds=1), **QUICKLY),
    Declared("test.fail_at_times", fail_at_times, attempts=100, limit=timedelta(seconds=1), **QUICKLY),
    Declared("test.fail", fail, attempts=3, limit=timedelta(seconds=1), **QUICKLY),
    Declared("test.hold", hold),
)


def on_time() -> None:
    """Note that the timetable came round."""
    with db.unit_of_work():
        leave("on time")


def assemble() -> None:
    """Make the service with these jobs, and with leases that are over soon."""
    working._GRACE = timedelta(seconds=0.2)
    queue.TICK_SECONDS = 0.5
    create_app(load(env_file=None))
    jobs.register(JOBS)
    queue.register((*features.TASKS, Task("test.on_time", on_time, EVERY)))


def work_until_told() -> None:
    """Work, and end in order on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    queue.start()
    try:
        signal.pause()
    except SystemExit:
        queue.stop()
    finally:
        os._exit(0)


def main() -> None:
    assemble()
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            work_until_told()
        sys.stderr.write(f"{child}\n")
        sys.stderr.flush()
        os.waitpid(child, 0)
        sys.stderr.write("over\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
