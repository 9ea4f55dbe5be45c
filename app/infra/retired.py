"""An SQLite database that was moved elsewhere: it can be read and not written, by whoever still runs on it.

A service that goes on writing to the old database would lose what it writes, and nobody would notice. So the old one
refuses, by triggers, from the transaction on in which its last row was copied.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.core import clock
from app.core.errors import Conflict
from app.infra import db, engines

_MARK = "moved_to"

# An error of SQLite's own, because RAISE would look like a broken constraint, and a broken constraint like a name that
# is taken. This one is a database that cannot answer now: 503.
_TRIGGER = """CREATE TRIGGER "{name}" BEFORE {verb} ON "{table}"
              BEGIN SELECT abs(-9223372036854775807 - 1); END"""
_VERBS = ("INSERT", "UPDATE", "DELETE")


class WasMoved(Conflict):
    """This is the old database. What it says is no longer true."""

    code = "DATABASE_WAS_MOVED"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the rows are now, without a password, and since when."""

    address: str
    since: datetime


def retire(connection: Connection, *, address: str) -> None:
    """Refuse every write from the end of the present transaction on."""
    reopen(connection)
    for table in _tables(connection):
        for verb in _VERBS:
            name = f"{_MARK}_{table}_{verb.lower()}"
            connection.exec_driver_sql(_TRIGGER.format(name=name, verb=verb, table=table))
    connection.exec_driver_sql(f"CREATE TABLE {_MARK} (address TEXT NOT NULL, since TEXT NOT NULL)")
    mark = text(f"INSERT INTO {_MARK} VALUES (:address, :since)")  # noqa: S608 -- a constant
    connection.execute(mark, {"address": address, "since": clock.rfc3339(clock.now())})


def reopen(connection: Connection) -> None:
    """Let the database be written again."""
    named = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB :pattern")
    for name in connection.scalars(named, {"pattern": f"{_MARK}_*"}).all():
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_MARK}")


def destination() -> Destination | None:
    """Return where the present database was moved to, None if it was not."""
    if db.is_postgres():
        return None
    reading = db.engine().execution_options(**{engines.READS: True})
    with db.translated(), reading.connect() as connection:
        try:
            address, since = connection.execute(text(f"SELECT address, since FROM {_MARK}")).one()  # noqa: S608 -- a constant
        except DBAPIError as error:
            if "no such table" in str(error.orig):
                return None
            raise
    return Destination(address, datetime.fromisoformat(since))


def refuse() -> None:
    """Raise WasMoved if the present database was."""
    if found := destination():
        raise WasMoved(
            f"This database was moved to {found.address} at {clock.rfc3339(found.since)}, and is only read since."
            " Set DATABASE_URL to the new one; 'flask db reopen' uses this one again, without what the other got since."
        )


def _tables(connection: Connection) -> list[str]:
    named = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name <> :mark")
    return list(connection.scalars(named, {"mark": _MARK}))
