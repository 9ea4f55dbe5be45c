"""Work beside the requests: on Celery, or in a thread of this process.

A message only says which task to look at; what is to be done stands in rows of the database. So a message that is
lost costs time and nothing else: the timetable looks anyway.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

from app.core import origin
from app.core.config import Settings
from app.core.errors import Unavailable
from app.core.origin import Carried
from app.infra import db, reporting, seldom, tracing
from app.infra.background import Background

log = logging.getLogger(__name__)

TICK = "jobs.tick"
"""The task that looks at the timetable."""

TICK_SECONDS = 5.0
"""How often some process does."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is done on its own: when it is asked for, every so often, or both. Doing it twice is harmless."""

    name: str
    run: Callable[[], object]
    every: timedelta | None = None


_tasks: dict[str, Task] = {}
_background: Background | None = None
_broker: Any = None
"""app.infra.broker.Broker, which is imported only where there is one."""


def task(name: str, *, every: timedelta | None = None, unit: bool = True) -> Callable[[Callable[[], object]], Task]:
    """Make a task of a function; it runs in a unit of work unless it opens its own."""

    def decorate(function: Callable[[], object]) -> Task:
        @wraps(function)
        def run() -> None:
            if not unit:
                function()
                return
            with db.unit_of_work():
                function()

        return Task(name, run, every)

    return decorate


def connect(settings: Settings) -> None:
    """Choose where tasks run. Opens no connection, starts nothing."""
    global _broker  # noqa: PLW0603 -- one queue for each process, known after assembly
    stop()
    _broker = None
    if settings.celery_broker_url:
        from app.infra.broker import Broker  # noqa: PLC0415 -- Celery costs 20 MB and half a second to whoever has none

        _broker = Broker(settings, tick=(TICK, TICK_SECONDS))


def register(tasks: Iterable[Task]) -> None:
    """Learn the tasks; once, during assembly."""
    _tasks.clear()
    _tasks.update({task.name: task for task in tasks})


def timetabled() -> list[Task]:
    """Return the tasks that are due every so often."""
    return [task for task in _tasks.values() if task.every is not None]


def enqueue(name: str) -> None:
    """Have a task looked at soon, once the present transaction is stored. If nobody hears, the timetable will."""
    carried = origin.carried()
    db.after_commit(lambda: _send(name, carried))


def wake(name: str) -> None:
    """Have a task looked at soon, whatever becomes of the present transaction."""
    _send(name, origin.carried())


def _send(name: str, carried: Carried) -> None:
    if _broker is not None:
        _broker.send(name, carried)
    elif _background is not None:
        _background.wake(name, carried)


def perform(name: str, carried: Carried | None = None) -> Exception | None:
    """Run a task now, as the work of whoever asked for it. A failure is logged, returned, and fails nothing."""
    source = origin.resumed(carried)
    token = origin.begin(source)
    try:
        with tracing.working(name, source):
            _tasks[name].run()
    except Unavailable as error:  # the timetable comes round again
        seldom.warn(log, "a task waits for a neighbour", task=name, code=error.code)
        return error
    except Exception as error:
        log.exception("a task failed", extra={"task": name})
        reporting.unforeseen(error, task=name)
        return error
    else:
        return None
    finally:
        origin.end(token)


def start() -> None:
    """Begin to work off tasks in this process, unless Celery does. For whoever serves; done twice, it is done once."""
    global _background  # noqa: PLW0603 -- one thread for each process
    if _broker is None and _background is None:
        _background = Background(perform, tick=(TICK, TICK_SECONDS))
        _background.start()


def stop() -> None:
    """Let the task at hand come to its end, and begin no other."""
    global _background  # noqa: PLW0603 -- it ends
    if _background is not None:
        _background.end()
        _background = None


def is_ending() -> bool:
    """Tell a task that works off many things whether to leave the rest to another time."""
    return _background is not None and _background.is_ending


def is_remote() -> bool:
    """Tell whether there is a broker."""
    return _broker is not None


def ping() -> None:
    """Ask the broker for an answer, or raise."""
    _broker.ping()


def celery(*, when_working: Callable[[], object] = lambda: None) -> Any:  # noqa: ANN401 -- celery.Celery, which is imported only where it is used
    """Return what Celery's commands need: an application that knows every task; a worker that begins is told."""
    return _broker.serving(_tasks, perform, when_working)
