"""PostgreSQL as one file and back, with its own programs: pg_dump's custom format."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app.core.errors import Conflict, Unavailable
from app.infra import postgres_programs
from app.infra.dumps_sqlite import Told

_LOCK = 0x0CA2B1  # any number, the same in every instance
_CONNECT_SECONDS = 5
_PATIENT = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c timezone=UTC"
_SCRATCH = "_verify_"
_LONGEST_NAME = 63

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
_UNCHECKED = "SELECT conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated"
# Every column that counts by itself, with the sequence behind it.
_COUNTERS = """
    SELECT c.table_name, c.column_name, pg_get_serial_sequence(quote_ident(c.table_name), c.column_name)
    FROM information_schema.columns c JOIN pg_tables t ON t.tablename = c.table_name AND t.schemaname = c.table_schema
    WHERE c.table_schema = current_schema()
      AND pg_get_serial_sequence(quote_ident(c.table_name), c.column_name) IS NOT NULL
"""


class MayNotCreateDatabases(Conflict):
    """The role lacks CREATEDB."""

    code = "BACKUP_MAY_NOT_CREATE_DATABASES"
    message = (
        "To restore on trial, the role of DATABASE_URL must be allowed to create a database beside its own:"
        " ALTER ROLE … CREATEDB. Or run this where DATABASE_URL names another server."
    )


def take(url: str, file: Path) -> Told:
    """Dump as of one snapshot, in which the rows are counted as well."""
    with _connected(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = _one(connection, "SELECT pg_export_snapshot()")
        names = [name for (name,) in connection.execute(_TABLES)]
        count = sql.SQL("SELECT count(*) FROM {}")
        rows = {name: int(_one(connection, count.format(sql.Identifier(name)))) for name in names}
        revision = (
            _one(connection, "SELECT max(version_num) FROM alembic_version") if "alembic_version" in rows else None
        )
        arguments = [
            *("--format=custom", "--compress=0", f"--file={file}", f"--snapshot={snapshot}"),
            *("--no-owner", "--no-privileges", "--no-comments", "--no-publications", "--no-subscriptions"),
            "--lock-wait-timeout=60s",
        ]
        postgres_programs.run("pg_dump", arguments, url=url, server=_major(connection), folder=file.parent)
        return str(_one(connection, "SHOW server_version")), revision, rows


def load(url: str, file: Path, folder: Path) -> None:
    """Restore in one transaction: sequences, references and triggers as well."""
    with _connected(url) as connection:
        server = _major(connection)
    arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(file)]
    postgres_programs.run("pg_restore", arguments, url=url, server=server, folder=folder)


def drop_revision(url: str) -> None:
    """Forget which revision an emptied database was at."""
    with _connected(url) as connection:
        connection.execute("DROP TABLE IF EXISTS alembic_version")


@contextmanager
def scratch(url: str) -> Iterator[str]:
    """Make a database beside the real one, and drop it; and those that somebody who was killed left behind."""
    own = make_url(url).database or ""
    prefix = f"{own[: _LONGEST_NAME - len(_SCRATCH) - 12]}{_SCRATCH}"
    name = prefix + secrets.token_hex(6)
    with _connected(url) as connection:
        for (left,) in connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,)):
            _drop(connection, left)
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise MayNotCreateDatabases from error
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with _connected(url) as connection:
            _drop(connection, name)


@contextmanager
def alone(url: str) -> Iterator[bool]:
    """Try to hold a lock of the server, which ends with this connection."""
    with _connected(url) as connection:
        yield bool(_one(connection, sql.SQL("SELECT pg_try_advisory_lock({})").format(sql.Literal(_LOCK))))


def faults(url: str) -> list[str]:
    """Look for references that were not checked, and for counters that are behind their rows."""
    with _connected(url) as connection:
        found = [f"a constraint of {name} is not checked" for (name,) in connection.execute(_UNCHECKED)]
        for table, column, sequence in connection.execute(_COUNTERS).fetchall():
            most = sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(sql.Identifier(column), sql.Identifier(table))
            last = sql.SQL("SELECT last_value - (NOT is_called)::int FROM {}").format(
                sql.Identifier(*sequence.replace('"', "").split("."))
            )
            if _one(connection, last) < _one(connection, most):
                found.append(f"the next {column} of {table} is taken already")
    return found


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    with suppress(psycopg.Error):  # left behind, it goes next time
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _major(connection: psycopg.Connection[Any]) -> int:
    return connection.info.server_version // 10_000


def _one(connection: psycopg.Connection[Any], statement: Any) -> Any:  # noqa: ANN401 -- any statement, any value
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    address = postgres_programs.address(url)
    try:
        with psycopg.connect(
            address, autocommit=True, connect_timeout=_CONNECT_SECONDS, options=_PATIENT
        ) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable("The database does not answer. Nothing was kept of this attempt.") from error
