"""A thread of every process that serves or works, also beside Celery: it learns what was changed for all of them.

One cheap look every few seconds, beside the requests; never in their way.
"""

import logging
import os
from collections.abc import Callable
from threading import Event, Thread

log = logging.getLogger(__name__)

SECONDS = 3.0

Look = Callable[[], object]

_looks: list[Look] = []
_watching: tuple[int, Thread, Event] | None = None
"""In which process, by whom, and what ends it: a fork inherits the note but not the thread."""


def register(*looks: Look) -> None:
    """Say what is to be looked at; once, during assembly."""
    stop()
    _looks[:] = looks


def start() -> None:
    """Look now, and from now on every few seconds; done twice, it is done once."""
    global _watching  # noqa: PLW0603 -- one thread for each process
    if _watching is not None and _watching[0] == os.getpid():
        return
    ended = Event()
    thread = Thread(target=_watch, args=(ended,), name="watch", daemon=True)
    _watching = os.getpid(), thread, ended
    look()
    thread.start()


def stop() -> None:
    """End the thread of this process, if it has one."""
    global _watching  # noqa: PLW0603 -- it ends
    if _watching is not None and _watching[0] == os.getpid():
        _watching[2].set()
    _watching = None


def look() -> None:
    """Look once. A failure is for the next time: nothing hangs on one look."""
    for one in _looks:
        try:
            one()
        except Exception as error:  # noqa: BLE001 -- most of all a database that is away
            log.debug("a look failed", extra={"error": type(error).__name__})


def _watch(ended: Event) -> None:
    while not ended.wait(SECONDS):
        look()
