"""The line before the views: as many at once as there are threads for them, the others wait their turn.

The server has more threads than work at once: for those who wait in the line, and a few that nobody can take from the
probes. So ``/health`` answers at once while every other thread waits for a database that hangs, and beside a crowd: who
finds the line full is told so on one of those few, and nobody waits where nothing is counted.
"""

import time
from collections import deque
from threading import Lock

from app.core.config import Settings
from app.core.errors import Unavailable


class Busy(Unavailable):
    """The line is full, or one's turn did not come in time."""

    message = "Too many requests at once. Try again in a moment."


class Line:
    """Turns, handed on in the order in which they were asked for."""

    def __init__(self, *, turns: int, length: int, seconds: float) -> None:
        self._lock = Lock()
        self._free = turns
        self._length = length
        self._seconds = seconds
        self._waiting: deque[Lock] = deque()

    def enter(self) -> float:
        """Return when it is one's turn how many seconds that took, or raise Busy."""
        with self._lock:
            if self._free:
                self._free -= 1
                return 0.0
            if len(self._waiting) >= self._length:
                raise Busy
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        began = time.monotonic()
        if not mine.acquire(timeout=self._seconds):
            self._give_up(mine)
        return time.monotonic() - began

    def leave(self) -> None:
        """Hand the turn on."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _give_up(self, mine: Lock) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                raise Busy
        # Handed to us in the last moment: it is our turn after all.


_line: Line


def connect(settings: Settings) -> None:
    """Open a line for the threads of this process."""
    global _line  # noqa: PLW0603 -- set once during assembly
    _line = Line(turns=settings.threads, length=settings.waiting, seconds=settings.database_pool_seconds)


def enter() -> float:
    """Wait for a turn and return how many seconds that took, or raise Busy."""
    return _line.enter()


def leave() -> None:
    """Give the turn back."""
    _line.leave()
