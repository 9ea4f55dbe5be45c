"""Copies every row of an SQLite database into an empty PostgreSQL, and leaves the old one readable only.

The target gets the schema first; then all rows, checked and with their sequences set, in one transaction: whatever
ends this early leaves an empty schema, and the same call begins again. The source is locked against writers from
before the first row is read until it refuses them for good, and it refuses them before the target commits: a write
that the service acknowledged is in the target, always.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import Connection, Engine, Table, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from app.core.errors import Unavailable
from app.infra import carrying, checksums, db, engines, migrations, retired
from app.infra.carrying import NotMoved
from app.infra.checksums import Checksum
from app.infra.columns import Model

__all__ = ["NotMoved", "Outcome", "SourceIsBusy", "move"]

Advance = Callable[[str, str, int, int], object]
"""Hears what is done to which table, how many of its rows, of how many."""


class SourceIsBusy(Unavailable):
    """Something holds the source's only write lock."""

    code = "SOURCE_IS_BUSY"
    message = "Something has been writing to the present database for 5 seconds. Stop it, or try again in a moment."


@dataclass(slots=True)
class Outcome:
    """What every table holds, on both sides, and whether it was there already."""

    tables: dict[str, Checksum] = field(default_factory=dict)
    was_there: bool = False

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(found.rows for found in self.tables.values())


def move(target: Engine, *, address: str, replaceable: frozenset[str], advance: Advance) -> Outcome:
    """Copy all rows of the present database to ``target``, or find that they are all there.

    ``replaceable`` names the tables that a start fills by itself; a target with rows in any other is somebody's.
    Raises NotMoved, SourceIsBusy, Unavailable.
    """
    tables = Model.metadata.sorted_tables
    _check_source(tables, address)
    with _said_of(address), migrations.alone(target) as there:
        _check_encoding(there)
        if not _used_tables(there, tables, replaceable):
            migrations.patiently(there, lambda: command.upgrade(migrations.config(there), "head"))
            there.rollback()  # what it read; its revisions are committed
        with _locked_source() as here, _locked_target(there, tables):
            outcome = Outcome(was_there=bool(_used_tables(there, tables, replaceable)))
            transfer = _compare if outcome.was_there else _copy_all
            transfer(here, there, tables, outcome, advance)
            retired.retire(here, address=address)
            here.commit()
        return outcome


def _check_source(tables: list[Table], address: str) -> None:
    if db.is_postgres():
        raise NotMoved("The present database is PostgreSQL already. Copy it with pg_dump and pg_restore.")
    if migrations.current() != migrations.head():
        raise NotMoved("The present database is not at this code's revision. Run 'flask db upgrade' first.")
    before = retired.destination()
    if before is not None and before.address != address:
        raise NotMoved(f"The present database was moved to {before.address} before. 'flask db reopen' undoes that.")
    unknown = set(inspect(db.engine()).get_table_names()) - {table.name for table in tables} - _OURS
    if unknown:
        raise NotMoved(f"No model describes {', '.join(sorted(unknown))}: its rows would be left behind.")


_OURS = {"alembic_version", "moved_to"}


def _check_encoding(there: Connection) -> None:
    """Refuse what takes the rows of today and not the name of somebody of tomorrow. Raises NotMoved."""
    encoding = there.exec_driver_sql("SHOW server_encoding").scalar_one()
    there.rollback()
    if encoding != "UTF8":
        raise NotMoved(
            f"The target's encoding is {encoding}, which lacks letters. {_MAKE_ANOTHER} Say ENCODING 'UTF8'."
        )


def _used_tables(there: Connection, tables: list[Table], replaceable: frozenset[str]) -> list[str]:
    """Return which tables of the target hold rows that a start did not make. Raises NotMoved if they are not ours."""
    was_in_transaction = there.in_transaction()
    found = set(inspect(there).get_table_names())
    foreign = found - {table.name for table in tables} - _OURS
    if foreign:
        raise NotMoved(f"The target holds tables of something else: {', '.join(sorted(foreign))}. {_MAKE_ANOTHER}")
    asked = [table for table in tables if table.name in found - replaceable]
    used = [table.name for table in asked if there.scalar(select(select(text("1")).select_from(table).exists()))]
    at = MigrationContext.configure(there).get_current_revision()
    if used and at != migrations.head():
        raise NotMoved(f"The target holds data already, of revision {at}. {_MAKE_ANOTHER}")
    if not was_in_transaction:
        there.rollback()
    return used


_MAKE_ANOTHER = "Nothing was changed there. Make an empty database (CREATE DATABASE …) and name it in --to."


@contextmanager
def _locked_source() -> Iterator[Connection]:
    """Keep writers out, and see what they left: they wait for 5 seconds, then answer 503."""
    with db.engine().execution_options(**{engines.WRITES: True}).connect() as connection:
        try:
            connection.begin()
        except DBAPIError as error:
            raise SourceIsBusy from error
        yield connection


@contextmanager
def _locked_target(there: Connection, tables: list[Table]) -> Iterator[None]:
    """Keep writers out of the target too, if a service already runs there; all of it is one transaction."""
    with there.begin():
        there.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        names = ", ".join(f'"{table.name}"' for table in tables)
        there.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        yield


def _copy_all(here: Connection, there: Connection, tables: list[Table], outcome: Outcome, advance: Advance) -> None:
    for table in reversed(tables):
        there.execute(table.delete())  # what migrations and a start put there
    for table in tables:
        outcome.tables[table.name] = _copy(here, there, table, advance)
    for table in tables:
        left = outcome.tables[table.name]
        if _checked(there, table, left.rows, advance) != left:
            raise NotMoved(
                f"{table.name}: what arrived is not what left. Nothing was kept; this is a fault, report it."
            )
        _set_sequence(there, table)


def _copy(here: Connection, there: Connection, table: Table, advance: Advance) -> Checksum:
    found = Checksum()
    rows = here.execute(select(func.count()).select_from(table)).scalar_one()
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver: Any = there.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(into) as copy:
        for batch in carrying.batches(here, table):
            for row, canonical in batch:
                copy.write_row(row)
                found.add(canonical)
            advance("copied", table.name, found.rows, rows)
    return found


def _checked(connection: Connection, table: Table, rows: int, advance: Advance) -> Checksum:
    found = checksums.of(connection, table)
    advance("checked", table.name, found.rows, rows)
    return found


def _set_sequence(there: Connection, table: Table) -> None:
    """Let the next row get the number after the last one."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = there.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": f'"{table.name}"', "column": column.name}
    )
    if sequence:
        last = there.scalar(select(func.max(column)))
        there.execute(
            text("SELECT setval(:sequence, :at, :taken)"),
            {"sequence": sequence, "at": max(last or 1, 1), "taken": bool(last and last > 0)},
        )


def _compare(here: Connection, there: Connection, tables: list[Table], outcome: Outcome, advance: Advance) -> None:
    """Find that both hold the same: an earlier call was done but for its last words. Raises NotMoved if they do not."""
    for table in tables:
        ours = checksums.of(here, table)
        theirs = _checked(there, table, ours.rows, advance)
        if ours != theirs:
            raise NotMoved(
                f"The target holds data already, and its {table.name} differ: {theirs.rows} rows there, {ours.rows}"
                " here. If this was moved there before and used since, set DATABASE_URL to it and go on."
                f" {_MAKE_ANOTHER}"
            )
        outcome.tables[table.name] = ours


@contextmanager
def _said_of(address: str) -> Iterator[None]:
    """Name what the target refused, without the row, which its message may quote."""
    try:
        yield
    except CommandError as error:
        raise NotMoved(f"The target has a schema that this code does not know: {error}. {_MAKE_ANOTHER}") from error
    except DBAPIError as error:
        raise NotMoved(f"{address} refused: {carrying.words(error.orig)}") from None
    except psycopg.Error as error:
        raise NotMoved(f"{address} refused: {carrying.words(error)}") from None
    except Unavailable as failure:
        if isinstance(failure, SourceIsBusy):
            raise
        raise NotMoved(
            f"{address} does not answer, or ceased to: {carrying.words(failure.__cause__)} Run it again."
        ) from None
