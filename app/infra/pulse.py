"""Whether PostgreSQL answers at all: a server that hangs is found out once, and not by each request for itself.

When somebody has waited for a second and nobody heard anything of the server meanwhile, a new connection is begun.
If not one byte comes back for two seconds either, those who wait are failed, and who comes is refused at once, until
such a question is answered. One slow statement, or one that waits for a lock, does not bring that about: the server
answers the question, whatever else it does. Nor does a server that refuses: only silence hangs.
"""

import logging
import os
import select
import time
from threading import Lock, Thread

from psycopg import pq

log = logging.getLogger(__name__)

_SILENCE_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_PAUSE_SECONDS = 0.25


class Pulse:
    """What one process knows of one server, by the latest sign of life that any of its threads had."""

    def __init__(self) -> None:
        self.address = b""
        self._heard_at = float("-inf")
        self._gone_for = 0
        self._asked_for = 0
        self._lock = Lock()

    def heard(self) -> None:
        """Note that the server said something."""
        self._heard_at = time.monotonic()

    def is_gone(self) -> bool:
        """Tell whether the server says nothing to anybody; what a parent knew counts for nothing after a fork."""
        return self._gone_for != 0 and self._gone_for == os.getpid()

    def doubt(self, *, since: float) -> None:
        """Find out, in a thread of its own, whether a server is gone that has been waited for so long."""
        if time.monotonic() - max(since, self._heard_at) >= _SILENCE_SECONDS:
            self._ask()

    def lose(self, *, since: float) -> None:
        """Hold a server for gone that let a new connection wait in vain, unless another heard of it meanwhile."""
        if since > self._heard_at and self.address:
            self._refuse()
            self._ask()

    def _refuse(self) -> None:
        with self._lock:
            if not self.is_gone():
                log.warning("the database is silent; refusing at once until it answers")
            self._gone_for = os.getpid()

    def _ask(self) -> None:
        with self._lock:
            if self.address and self._asked_for != os.getpid():
                self._asked_for = os.getpid()
                Thread(target=self._find_out, name="pulse", daemon=True).start()

    def _find_out(self) -> None:
        began = time.monotonic()
        try:
            while _is_silent(self.address) and self._heard_at < began:
                self._refuse()
                time.sleep(_PAUSE_SECONDS)
        finally:
            self._believe()

    def _believe(self) -> None:
        with self._lock:
            if self.is_gone():
                log.warning("the database answers again")
            self.heard()
            self._gone_for = self._asked_for = 0


def _is_silent(address: bytes) -> bool:
    """Begin to connect; tell whether that neither fails nor brings a single byte in time."""
    ends = time.monotonic() + _ANSWER_SECONDS
    connection = pq.PGconn.connect_start(address)
    poll = select.poll()
    try:
        while (state := connection.connect_poll()) in {pq.PollingStatus.READING, pq.PollingStatus.WRITING}:
            reads = state == pq.PollingStatus.READING
            poll.register(connection.socket, select.POLLIN if reads else select.POLLOUT)
            if not poll.poll(max(0.0, ends - time.monotonic()) * 1000):
                return True
            if reads:
                return False
    finally:
        connection.finish()
    return False
