"""A replica of the database (PostgreSQL streaming replication), for reads that may lag a little.

Once or twice a second each process asks both servers how far they are. The replica is read while it has replayed
what the database had written at most ``lag`` seconds ago, and answered the last question in time; otherwise, and
whatever fails there, reads go to the database itself.
"""

import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Engine, event

from app.core.config import Settings
from app.infra import engines, metrics

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 0.5
_ANSWER_SECONDS = 1.0
"""How long a server may take to say how far it is; so long a read may hang on one that froze."""

_WRITTEN = b"SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_REPLAYED = b"SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END"

_may_lag: ContextVar[bool] = ContextVar("may_lag", default=False)
_replica: "_Replica | None" = None


def connect(settings: Settings) -> None:
    """Make the engine of the replica, if there is one. Opens no connection."""
    global _replica  # noqa: PLW0603 -- one for each process, known after assembly
    stop()
    _replica = _Replica(settings) if settings.replica else None


def is_configured() -> bool:
    """Tell whether there is a replica at all."""
    return _replica is not None


def stop() -> None:
    """Ask no more; connections are closed."""
    if _replica is not None:
        _replica.stop()


@contextmanager
def may_lag() -> Iterator[None]:
    """Let the queries inside be answered by the replica."""
    token = _may_lag.set(True)
    try:
        yield
    finally:
        _may_lag.reset(token)


def engine() -> Engine | None:
    """Return the engine of the replica if the present reads may lag and it can be trusted, else None."""
    if _replica is None or not _may_lag.get():
        return None
    return _replica.engine if _replica.is_fresh() else None


def is_fresh() -> bool:
    """Tell whether the replica can be trusted now."""
    return _replica is not None and _replica.is_fresh()


def complaint(settings: Settings) -> str:
    """Ask a replica once, for an operator; return what is wrong with it, nothing if it follows the database."""
    try:
        with _asking(_libpq(settings.replica)) as connection:
            return "" if _ask(connection, _REPLAYED) is not None else "it is no replica: it takes writes of its own"
    except (psycopg.Error, OSError) as error:
        return f"it does not answer ({type(error).__name__})"


def give_up(error: BaseException) -> None:
    """Read from the database until the replica has answered again: it just failed."""
    if _replica is not None:
        _replica.lose(error)


class _Replica:
    """The engine, and the thread that watches how far both servers are."""

    def __init__(self, settings: Settings) -> None:
        self.engine = engines.make(settings, settings.replica)
        self._primary_url, self._replica_url = (_libpq(url) for url in (settings.database, settings.replica))
        self._most = settings.database_replica_lag_seconds
        self._borrowed: set[psycopg.Connection[Any]] = set()
        self._written: deque[tuple[float, int]] = deque()
        self._fresh_as_of: float | None = None
        self._answered_at = float("-inf")
        self._pid = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        event.listen(self.engine, "checkout", lambda connection, *_: self._borrowed.add(connection))
        event.listen(self.engine, "checkin", lambda connection, *_: self._borrowed.discard(connection))
        event.listen(self.engine, "invalidate", lambda connection, *_: self._borrowed.discard(connection))

    def is_fresh(self) -> bool:
        self._watch()
        lag = self.lag()
        in_time = time.monotonic() - self._answered_at <= _PERIOD_SECONDS + _ANSWER_SECONDS
        return lag is not None and lag <= self._most and in_time

    def lag(self) -> float | None:
        as_of = self._fresh_as_of
        return None if as_of is None else time.monotonic() - as_of

    def lose(self, error: BaseException) -> None:
        """Distrust the replica, and set free whoever waits for it."""
        with self._lock:
            known, self._fresh_as_of = self._fresh_as_of, None
            self._answered_at = float("-inf")
        if known is not None:
            log.warning("the replica does not answer; reading without it", extra={"error": type(error).__name__})
        for connection in list(self._borrowed):
            with suppress(OSError, psycopg.Error):
                _shut(connection.fileno())

    def stop(self) -> None:
        self._ended.set()
        self.engine.dispose()

    def _watch(self) -> None:
        """Begin to watch in this process: threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._borrowed.clear()
            threading.Thread(target=self._watching, name="replica", daemon=True).start()

    def _watching(self) -> None:
        while not self._ended.is_set():
            try:
                with _asking(self._primary_url) as primary, _asking(self._replica_url) as replica:
                    while not self._ended.wait(_PERIOD_SECONDS):
                        self._look(primary, replica)
            except (psycopg.Error, OSError) as error:
                self.lose(error)
                metrics.replica(lag=None)
                self._ended.wait(_ANSWER_SECONDS)

    def _look(self, primary: psycopg.Connection[Any], replica: psycopg.Connection[Any]) -> None:
        """Note how far the database is, then since when the replica has all that."""
        began = time.monotonic()
        written, replayed = _ask(primary, _WRITTEN), _ask(replica, _REPLAYED)
        if written is None or replayed is None:
            message = "DATABASE_REPLICA_URL is no replica"
            raise psycopg.OperationalError(message)
        self._written.append((began, written))
        while self._written and self._written[0][1] <= replayed:
            self._fresh_as_of = self._written.popleft()[0]
        while len(self._written) > self._most / _PERIOD_SECONDS + 1:
            self._written.popleft()  # too long ago to matter
        self._answered_at = time.monotonic()
        metrics.replica(lag=self.lag())


@contextmanager
def _asking(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, connect_timeout=2, application_name="carboy-replica") as connection:
        yield connection


def _ask(connection: psycopg.Connection[Any], question: bytes) -> int | None:
    """Return the number that a server answers, or raise TimeoutError: one that is frozen never would."""
    server = connection.pgconn
    poll = select.poll()
    poll.register(server.socket, select.POLLIN)
    until = time.monotonic() + _ANSWER_SECONDS
    server.send_query(question)
    while server.is_busy():
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError
        server.consume_input()
    result, answer = server.get_result(), None
    while result is not None:
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
        answer = result.get_value(0, 0)
        result = server.get_result()
    return None if answer is None else int(answer)


def _shut(descriptor: int) -> None:
    """Close both ways of a socket that another thread waits for: it gets an error at once."""
    with socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
