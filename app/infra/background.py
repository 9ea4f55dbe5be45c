"""A thread that works off tasks beside the requests of its process."""

import logging
import queue
import time
from collections.abc import Callable
from multiprocessing import util
from threading import Event, Thread

from app.core.origin import Carried

log = logging.getLogger(__name__)

_END_SECONDS = 20.0
"""Longer than a mail may take by default, shorter than servers wait for their workers."""

Job = tuple[str, Carried | None]
"""A task, and what it keeps of the request that asked for it."""


class Background:
    """Performs what it is woken for, one after the other, and the tick as soon as its time has come."""

    def __init__(self, perform: Callable[[str, Carried | None], object], *, tick: tuple[str, float]) -> None:
        self._perform = perform
        self._tick, self._seconds = tick
        self._ticks_at = 0.0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ending = Event()
        # A daemon: a task that hangs must not keep a process from ending.
        self._thread = Thread(target=self._work, name="background", daemon=True)

    @property
    def is_ending(self) -> bool:
        """Tell whether it was told to end."""
        return self._ending.is_set()

    def start(self) -> None:
        """Begin. It ends before its process does, be that one of its own or a forked worker, which knows no atexit."""
        self._thread.start()
        util.Finalize(self, self.end, exitpriority=100)

    def wake(self, name: str, carried: Carried) -> None:
        """Perform this soon."""
        self._jobs.put((name, carried))

    def end(self) -> None:
        """Return once the task at hand is done, or has taken too long."""
        self._ending.set()
        self._jobs.put(None)
        self._thread.join(_END_SECONDS)

    def _work(self) -> None:
        while not self._ending.is_set():
            for name, carried in self._next():
                if not self._ending.is_set():
                    self._do(name, carried)

    def _do(self, name: str, carried: Carried | None) -> None:
        """Perform one. Whatever it raises, even what is meant to end a process, ends neither this thread nor us."""
        try:
            self._perform(name, carried)
        except BaseException:
            log.exception("a task wanted to end its process", extra={"task": name})

    def _next(self) -> list[Job]:
        """Wait for jobs; return what has come, each task once, or the tick when its time has, however much waits."""
        wait = self._ticks_at - time.monotonic()
        try:
            found = [self._jobs.get(timeout=wait)] if wait > 0 else []
        except queue.Empty:
            found = []
        if not found:
            self._ticks_at = time.monotonic() + self._seconds
            return [(self._tick, None)]
        while not self._jobs.empty():
            found.append(self._jobs.get())
        first: dict[str, Job] = {}
        for job in found:
            if job is not None:
                first.setdefault(job[0], job)
        return list(first.values())
