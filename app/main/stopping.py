"""How an instance ends without losing a request.

Told to stop, the parent of the workers first only says so: ``/readiness`` answers 503 and balancers look elsewhere,
while everything is still served. Then it turns new connections away, lets the workers accept those that are already
there, and only then has the workers finish and end. A second signal skips the waiting.
"""

import ctypes
import logging
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Thread

from app.core.config import Settings
from app.infra import draining

log = logging.getLogger(__name__)

STOPS = (signal.SIGINT, signal.SIGTERM)

_QUEUE_SECONDS = 2.0
_SETTLE_SECONDS = 0.5
"""Time for a request to come over a connection that was accepted last."""

_WATCH_SECONDS = 1.0
_SO_ATTACH_FILTER = 26
_ACCEPT_QUEUE = slice(24, 28)
"""Where TCP_INFO of a listening socket holds how many connections wait to be accepted (tcpi_unacked)."""

_DROP_SYN = (  # classic BPF over the TCP header: a packet that opens a connection is not heard, all others are
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


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

    def wait(self, listeners: Iterable[socket.socket]) -> None:
        """Return when no connection waits to be accepted and none can come; at once where nothing drains."""
        if not self._seconds:
            return
        log.info("draining", extra={"seconds": self._seconds})
        self._enough.wait(self._seconds)
        for listener in listeners:
            _turn_away(listener)
            _wait_until_accepted(listener)
        self._enough.wait(_SETTLE_SECONDS)


def _turn_away(listener: socket.socket) -> None:
    """Let nobody begin a connection. Closing the port instead would reset those that wait to be accepted.

    Who tries meanwhile hears nothing, and a second later, when the port is closed, that it is.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN))
    attached = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(program))
    with suppress(OSError):  # not Linux
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)


def _wait_until_accepted(listener: socket.socket) -> None:
    ends = time.monotonic() + _QUEUE_SECONDS
    while _queue_of(listener) and time.monotonic() < ends:
        time.sleep(0.01)


def _queue_of(listener: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    found = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACCEPT_QUEUE.stop)
    return int(struct.unpack("I", found[_ACCEPT_QUEUE])[0])


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
