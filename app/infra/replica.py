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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.core.config import Settings
from app.infra import engines, metrics

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 0.5
_ANSWER_SECONDS = 1.0
"""How long a server may take to say how far it is; so long a read may hang on one that froze."""

_LOCK_SECONDS = 1.0
"""How long a read waits there for a lock that the log holds: a replica that was paused just then keeps it."""

_PAGE_BYTES, _PAGE_HEADER_BYTES = 8192, 40

_WRITTEN = b"SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_REPLAYED = b"SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END"
_IDENTITY = (
    b"SELECT system_identifier # (SELECT oid::bigint FROM pg_database WHERE datname = current_database())"
    b" FROM pg_control_system()"
)
"""The same for a database and all its replicas, and for no other."""

May = Callable[[], bool]

_may_lag: ContextVar[May | None] = ContextVar("may_lag", default=None)
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
def may_lag(may: May) -> Iterator[None]:
    """Let the queries inside be answered by the replica, if the first of them finds that they may."""
    token = _may_lag.set(may)
    try:
        yield
    finally:
        _may_lag.reset(token)


def engine() -> Engine | None:
    """Return the engine of the replica if the present reads may lag and it can be trusted, else None."""
    may = _may_lag.get()
    if _replica is None or may is None or not _replica.is_fresh():
        return None
    _may_lag.set(None)  # what is asked to find out is asked of the database
    allowed = may()
    _may_lag.set((lambda: True) if allowed else None)
    return _replica.engine if allowed else None


def is_fresh() -> bool:
    """Tell whether the replica can be trusted now."""
    return _replica is not None and _replica.is_fresh()


def complaint(settings: Settings) -> str:
    """Ask a replica once, for an operator; return what is wrong with it, nothing if it follows the database."""
    try:
        with _asking(_libpq(settings.replica)) as replica, _asking(_libpq(settings.database)) as primary:
            if _ask(replica, _REPLAYED) is None:
                return "it is no replica: it takes writes of its own"
            return "" if _are_one(primary, replica) else "it is a replica of another database"
    except (psycopg.Error, OSError) as error:
        return f"it does not answer ({type(error).__name__})"


def give_up(error: SQLAlchemyError) -> None:
    """Read from the database until the replica was looked at again: a read just failed there."""
    if _replica is None:
        return
    if _is_lost(error):
        _replica.lose(error)
    else:
        _replica.avoid()


class _Replica:
    """The engine, and the thread that watches how far both servers are."""

    def __init__(self, settings: Settings) -> None:
        self.engine = engines.make(settings, settings.replica, lock_seconds=_LOCK_SECONDS)
        self._primary_url, self._replica_url = (_libpq(url) for url in (settings.database, settings.replica))
        self._most = settings.database_replica_lag_seconds
        self._borrowed: set[psycopg.Connection[Any]] = set()
        self._written: deque[tuple[float, int]] = deque()
        self._fresh_as_of: float | None = None
        self._answered_at = float("-inf")
        self._complained = False
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

    def avoid(self) -> None:
        """Leave the replica alone for a moment: it answers, but one read was refused (a conflict, a lock)."""
        self._fresh_as_of = None

    def lose(self, error: BaseException) -> None:
        """Distrust the replica, and set free whoever waits for it."""
        with self._lock:
            complained, self._complained = self._complained, True
            self._fresh_as_of, self._answered_at = None, float("-inf")
        if not complained:
            log.warning("the replica cannot be read; reading without it", extra={"error": _named(error)})
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
                    if not _are_one(primary, replica):
                        raise _NoReplica
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
            raise _NoReplica
        self._written.append((began, written))
        if replayed % _PAGE_BYTES == 0:
            replayed += _PAGE_HEADER_BYTES  # the database counts the header of a page to which nothing was written yet
        while self._written and self._written[0][1] <= replayed:
            self._fresh_as_of = self._written.popleft()[0]
        while len(self._written) > self._most / _PERIOD_SECONDS + 1:
            self._written.popleft()  # too long ago to matter
        self._answered_at = time.monotonic()
        self._complained &= self._fresh_as_of is None
        metrics.replica(lag=self.lag())


class _NoReplica(psycopg.OperationalError):
    """DATABASE_REPLICA_URL names a database that takes writes, or a replica of another one."""


def _is_lost(error: SQLAlchemyError) -> bool:
    """Tell a server that is away from one that answered, with a refusal, and from a pool with nothing left."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None


def _named(error: BaseException) -> str:
    return type(getattr(error, "orig", error)).__name__


def _are_one(primary: psycopg.Connection[Any], replica: psycopg.Connection[Any]) -> bool:
    """Tell whether two servers hold one database; yes where nobody but its owner may ask."""
    try:
        return _ask(primary, _IDENTITY) == _ask(replica, _IDENTITY)
    except psycopg.errors.InsufficientPrivilege:
        return True


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
            raise psycopg.errors.error_from_result(result)
        answer = result.get_value(0, 0)
        result = server.get_result()
    return None if answer is None else int(answer)


def _shut(descriptor: int) -> None:
    """Close both ways of a socket that another thread waits for: it gets an error at once."""
    with socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
