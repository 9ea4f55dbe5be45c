"""How connections to each of the two databases are made, and what the drivers' failures mean."""

import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, cast

import orjson
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.core.config import Settings
from app.infra import metrics, tracing

WRITES, READS = "carboy_writes", "carboy_reads"

_BUSY_SECONDS = 5
_RECYCLE_SECONDS = 1800
_CONNECT_SECONDS = 3
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 2
"""How much longer than PostgreSQL may take to end a statement we wait for it to say so."""

_budget: ContextVar["_Budget | None"] = ContextVar("budget", default=None)


def create(settings: Settings) -> Engine:
    """Return the engine for DATABASE_URL with its pool: as many connections as threads, none beyond."""
    engine = make(settings, settings.database)
    _measure(engine)
    tracing.watch_database(engine)
    return engine


def make(settings: Settings, url: str) -> Engine:
    """Return an engine for any database, which the metrics do not hear of."""
    return (_postgres if url.startswith("postgresql") else _sqlite)(
        settings,
        url,
        poolclass=QueuePool,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_seconds,
        pool_recycle=_RECYCLE_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )


def _measure(engine: Engine) -> None:
    """Tell the metrics of connections that are taken and given back, and of how long statements take."""

    def taken(*_: object) -> None:
        pool = cast("QueuePool", engine.pool)
        metrics.connections(active=pool.checkedout(), idle=pool.checkedin())

    def given_back(*_: object) -> None:  # heard just before the pool has it again
        pool = cast("QueuePool", engine.pool)
        metrics.connections(active=pool.checkedout() - 1, idle=pool.checkedin() + 1)

    def began(connection: Connection, *_: object) -> None:
        connection.info["began"] = time.perf_counter()

    def ended(connection: Connection, *_: object) -> None:
        metrics.query(time.perf_counter() - connection.info["began"])

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", given_back)
    event.listen(engine, "before_cursor_execute", began)
    event.listen(engine, "after_cursor_execute", ended)


def is_away(error: object) -> bool:
    """Tell a database that cannot answer now (gone, starting, full, locked, too slow) from a fault of ours."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.OperationalError) and "no such" not in str(error)
    if isinstance(error, psycopg.errors.UndefinedTable):
        return False
    # A replica that was not promoted yet refuses to write.
    refuses = psycopg.errors.ReadOnlySqlTransaction
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | refuses)


def _postgres(settings: Settings, url: str, **pool: Any) -> Engine:  # noqa: ANN401 -- keywords of create_engine
    milliseconds = int(settings.database_statement_seconds * 1000)
    engine = create_engine(
        url,
        connect_args={
            "autocommit": True,
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": settings.service_name,
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c timezone=UTC"
            " -c idle_in_transaction_session_timeout=60000",
        },
        use_native_hstore=False,
        **pool,
    )
    patience = patience_of(settings)
    event.listen(engine, "do_connect", lambda _dialect, _record, _args, given: _Patient.made(patience, given))
    event.listen(engine, "checkout", _drop_if_closed)
    event.listen(engine, "begin", _begin_postgres)
    return engine


class OutOfTime(psycopg.OperationalError):
    """The server did not answer in time. Asking it again would only take as long."""


class _Budget:
    """How many seconds the present work may still wait for PostgreSQL, however many statements that are."""

    __slots__ = ("left",)

    def __init__(self, seconds: float) -> None:
        self.left = seconds


def patience_of(settings: Settings) -> float:
    """Return how long we wait for the answer to a statement."""
    return settings.database_statement_seconds + _GRACE_SECONDS


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let what is asked of PostgreSQL inside wait so long in all: one that is slow makes every statement late."""
    token = _budget.set(_Budget(seconds))
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def _spending() -> Iterator[float | None]:
    """Yield what is left to wait, and take off what was waited; raise OutOfTime if nothing is left."""
    budget = _budget.get()
    if budget is None:
        yield None
        return
    if budget.left <= 0:
        raise OutOfTime
    began = time.monotonic()
    try:
        yield budget.left
    finally:
        budget.left -= time.monotonic() - began


class _Patient(psycopg.Connection[Any]):
    """Waits so long for an answer and no longer: a server that hangs does not end its statements itself.

    What a request may wait in all is limited as well: a server that is slow makes each of its statements late.

    Neither the system does: it goes on to acknowledge what arrives for a process that is stopped.
    """

    patience: float | None = None

    @classmethod
    def made(cls, patience: float, given: dict[str, Any]) -> Self:
        with _spending():
            made = cls.connect(**given)
        made.patience = patience
        return made

    def wait(self, gen: Any, interval: float = _LOOK_SECONDS, timeout: float | None = None) -> Any:  # noqa: ANN401 -- psycopg's
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        with _spending() as left:
            return self._wait(
                gen, interval, min((one for one in (self.patience, left) if one is not None), default=None)
            )

    def _wait(self, gen: Any, interval: float, limit: float | None) -> Any:  # noqa: ANN401 -- as above
        ends = None if limit is None else time.monotonic() + limit
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if ends is not None and time.monotonic() >= ends:
                self.pgconn.finish()  # in the middle of an answer: of no use to anybody
                raise OutOfTime from error
            raise


def wait_without_end(connection: object) -> None:
    """Let statements of a migration take as long as they need."""
    if isinstance(connection, _Patient):
        connection.patience = None


def _sqlite(_settings: Settings, url: str, **pool: Any) -> Engine:  # noqa: ANN401 -- keywords of create_engine
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"isolation_level": None, "timeout": _BUSY_SECONDS, "check_same_thread": False},
        paramstyle="named",
        **pool,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What is erased is overwritten in the file: the SQLite of Debian does so anyway, that of other builds does not.
    connection.execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get(READS):
        # A transaction that reads first and writes later cannot wait for the lock: it must take it at once.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES) else "BEGIN")


def _begin_postgres(connection: Connection) -> None:
    if not connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN")


def _drop_if_closed(connection: psycopg.Connection[Any], *_: object) -> None:
    """Notice a connection that the server closed without asking it anything: its socket has something to read.

    Costs 2 µs where a ping costs a round trip. Raising makes the pool open a new one.
    """
    if connection.closed:
        raise DisconnectionError
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
