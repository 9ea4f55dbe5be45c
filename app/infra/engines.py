"""How connections to each of the two databases are made, and what the drivers' failures mean."""

import os
import select
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import orjson
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.core.config import Settings
from app.infra import metrics, patience, tracing
from app.infra.patience import Patient
from app.infra.pulse import Pulse

WRITES, READS = "carboy_writes", "carboy_reads"

_BUSY_SECONDS = 5
_RECYCLE_SECONDS = 1800
_GRACE_SECONDS = 2
"""How much longer than PostgreSQL may take to end a statement we wait for it to say so."""


def create(settings: Settings) -> Engine:
    """Return the engine for DATABASE_URL with its pool: as many connections as threads, none beyond."""
    engine = make(settings, settings.database)
    _measure(engine)
    tracing.watch_database(engine)
    return engine


def make(settings: Settings, url: str, *, lock_seconds: float | None = None) -> Engine:
    """Return an engine for any database, which the metrics do not hear of."""
    return (_postgres if url.startswith("postgresql") else _sqlite)(
        settings,
        url,
        lock_seconds,
        poolclass=patience.Pool,
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
    if type(error) is psycopg.DatabaseError:  # of no class of SQLSTATE: libpq's own, of an answer that makes no sense
        return True
    # A replica that was not promoted yet refuses to write; who was stopped for a minute finds its transaction ended.
    refuses = psycopg.errors.ReadOnlySqlTransaction | psycopg.errors.IdleInTransactionSessionTimeout
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | refuses)


def _postgres(settings: Settings, url: str, lock_seconds: float | None, **pool: Any) -> Engine:  # noqa: ANN401 -- keywords of create_engine
    milliseconds = int(settings.database_statement_seconds * 1000)
    locks = milliseconds if lock_seconds is None else int(lock_seconds * 1000)
    engine = create_engine(
        url,
        connect_args={
            "autocommit": True,
            "connect_timeout": patience.CONNECT_SECONDS,
            "client_encoding": "utf8",  # else SQL_ASCII gives bytes where text is expected
            "application_name": settings.service_name,
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={locks} -c timezone=UTC"
            " -c idle_in_transaction_session_timeout=60000",
        },
        use_native_hstore=False,
        pool_reset_on_return=None,  # done below, where a connection that was lost is no error
        **pool,
    )
    seconds, pulse = settings.database_statement_seconds + _GRACE_SECONDS, Pulse()
    event.listen(engine, "do_connect", lambda _dialect, _record, _args, given: Patient.made(seconds, pulse, given))
    event.listen(engine, "checkout", _drop_if_closed)
    event.listen(engine, "reset", _roll_back_if_it_can)
    event.listen(engine, "begin", _begin_postgres)
    return engine


class _Going(psycopg.OperationalError):
    """The server closed a connection as soon as it had opened it; the pool's own error would be a fault of ours."""


def _sqlite(_settings: Settings, url: str, _lock_seconds: float | None, **pool: Any) -> Engine:  # noqa: ANN401 -- keywords of create_engine
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"isolation_level": None, "timeout": _BUSY_SECONDS, "check_same_thread": False},
        paramstyle="named",
        **pool,
    )
    event.listen(engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: str | None) -> None:
    """Make a file that its owner alone can read, if there is none; SQLite would let everybody."""
    with suppress(OSError):  # it is there, or SQLite will say why it cannot be
        os.close(os.open(path or "", os.O_CREAT | os.O_EXCL, 0o600))


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


def _roll_back_if_it_can(connection: psycopg.Connection[Any] | None, *_: object) -> None:
    """End the transaction of a connection that comes back; one that is lost is closed, and dropped later."""
    if connection is None:
        return
    try:
        connection.rollback()
    except psycopg.Error:
        connection.close()


def _drop_if_closed(connection: psycopg.Connection[Any], *_: object) -> None:
    """Notice a connection that the server closed without asking it anything: its socket has something to read.

    Costs 2 µs where a ping costs a round trip. Raising makes the pool open a new one, once; a server
    that closes that as well is going.
    """
    if _is_closed(connection):
        if isinstance(connection, Patient) and connection.is_new:
            raise _Going
        raise DisconnectionError
    if isinstance(connection, Patient):
        connection.is_new = False


def _is_closed(connection: psycopg.Connection[Any]) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
