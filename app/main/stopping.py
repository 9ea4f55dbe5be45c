"""How an instance ends without losing a request.

Told to stop, the parent of the workers first only says so: ``/readiness`` answers 503 and balancers look elsewhere,
while everything is still served. Then it turns new connections away, lets the workers accept those that are already
there, and only then has the workers finish and end. A second signal skips the waiting.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterable
from threading import Event, Thread

from app.core.config import Settings
from app.infra import draining, listening
from app.infra.listening import Listener

log = logging.getLogger(__name__)

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)

_SETTLE_SECONDS = 0.5
"""Time for a request to come over a connection that was accepted last."""

_WATCH_SECONDS = 1.0


class Drain:
    """The end of one instance, from the first signal to the moment when its workers may stop."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.drains
        self._asked = False
        self._enough = Event()

    def ask(self) -> None:
        """Begin; asked again, skip the waiting. Made for signal handlers."""
        if self._asked:
            self._enough.set()
        self._asked = True
        draining.begin()

    def wait(self, listeners: Iterable[Listener]) -> None:
        """Return when no connection waits to be accepted and none can come; at once where nothing drains."""
        if not self._seconds:
            return
        log.info("draining", extra={"seconds": self._seconds})
        self._enough.wait(self._seconds)
        for listener in listeners:
            listening.turn_away(listener)
            listening.wait_until_accepted(listener)
        self._enough.wait(_SETTLE_SECONDS)


def guard_forks() -> None:
    """Have workers born with the signals that stop them held back, so that none is lost before they listen.

    What a worker starts in turn is born so, too: end that with SIGKILL.
    """
    if hasattr(signal, "sigtimedwait"):
        os.register_at_fork(before=_hold_back, after_in_parent=_let_through)


def _hold_back() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def obey_only_the_parent(stop: Callable[[], None]) -> None:
    """Stop this worker when its parent says so, or is no more.

    A terminal's Ctrl-C and a supervisor's SIGTERM reach the workers as well; when they end is for the parent to say.
    """
    if hasattr(signal, "sigtimedwait"):
        _hold_back()  # a worker that was spawned was not born so
        Thread(target=_listen, args=(os.getppid(), stop), name="signals", daemon=True).start()


def _listen(parent: int, stop: Callable[[], None]) -> None:
    while os.getppid() == parent:
        told = signal.sigtimedwait(STOPS, _WATCH_SECONDS)
        if told is not None and told.si_pid == parent:
            break
    stop()
