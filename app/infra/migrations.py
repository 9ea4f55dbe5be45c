"""Brings the schema to the version of the code; of several that start at once exactly one does it, none fails."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from app.core.errors import Unavailable
from app.infra import db, engines, patience, retired

log = logging.getLogger(__name__)

FOLDER = Path(__file__).resolve().parents[2] / "migrations"

_LOCK = 0x0CA2B0  # any number, the same in every instance
_WAIT_SECONDS = 300.0

_LOCK_SECONDS, _PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 1.0, 15.0


class Blocked(Unavailable):
    """Somebody's transaction holds a table that a migration needs."""

    code = "MIGRATION_BLOCKED"
    message = (
        "A migration got no lock in time: a long transaction holds its table. What was migrated before stays."
        " Find it (SELECT pid, state, xact_start, query FROM pg_stat_activity ORDER BY xact_start) and run this again."
    )


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; there is no alembic.ini."""
    made = Config(stdout=sys.stdout)
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.attributes["connection"] = connection
    return made


def head() -> str | None:
    """Return the version that this code needs."""
    return ScriptDirectory.from_config(config()).get_current_head()


def current() -> str | None:
    """Return the version that the database has."""
    with db.translated(), db.engine().execution_options(**{engines.READS: True}).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def are_pending() -> bool:
    """Tell whether the database is behind the code. Ahead of it, as old instances see it in a release, is not."""
    at, script = current(), ScriptDirectory.from_config(config())
    known = {revision.revision for revision in script.walk_revisions()}
    return at != script.get_current_head() and (at is None or at in known)


def knows(revision: str) -> bool:
    """Tell whether this code can migrate from a revision."""
    return revision in {one.revision for one in ScriptDirectory.from_config(config()).walk_revisions()}


def upgrade(revision: str = "head") -> None:
    """Migrate forwards. At head already, no lock is taken."""
    retired.refuse()
    if revision == "head" and not are_pending():
        return
    with alone() as connection, _whole(connection):
        patiently(connection, lambda: command.upgrade(config(connection), revision))


def downgrade(revision: str) -> None:
    """Migrate backwards."""
    retired.refuse()
    with alone() as connection, _whole(connection):
        patiently(connection, lambda: command.downgrade(config(connection), revision))


def patiently(connection: Connection, migrate: Callable[[], object]) -> None:
    """Give up a lock that does not come soon, and try again: whoever waits for one holds up all who come after.

    What is committed stays: on PostgreSQL each revision is a transaction of its own. Raises Blocked.
    """
    if connection.dialect.name != "postgresql":
        migrate()
        return
    event.listen(connection, "begin", _wait_briefly)
    for wait in _pauses():
        try:
            migrate()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            connection.rollback()
            log.warning("a migration waited for a lock and stood back", extra={"again_in": round(wait, 1)})
            time.sleep(wait)
        else:
            return
    raise Blocked


def _wait_briefly(connection: Connection) -> None:
    """Bound the wait for locks in each revision anew: one before it may have reset that."""
    connection.connection.cursor().execute(f"SET lock_timeout = {int(_LOCK_SECONDS * 1000)}")


def _pauses() -> Iterator[float]:
    """Yield how long to stand back after each attempt, longer each time, until there was enough of it."""
    ends, pause = time.monotonic() + _WAIT_SECONDS, _PAUSE_SECONDS
    while time.monotonic() < ends:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _whole(connection: Connection) -> AbstractContextManager[object]:
    """Put all revisions into one transaction on SQLite, where between two of them somebody else could begin."""
    return nullcontext() if db.is_postgres() else connection.begin()


@contextmanager
def alone(engine: Engine | None = None) -> Iterator[Connection]:
    """Hold the lock of all instances. On SQLite the write transaction itself is it."""
    writing = (engine or db.engine()).execution_options(**{engines.WRITES: True})
    with db.translated(), writing.connect() as connection:
        patience.wait_without_end(connection.connection.dbapi_connection)
        driver = connection.connection.cursor()
        for statement in _ALONE_ON_POSTGRES if writing.dialect.name == "postgresql" else _ALONE_ON_SQLITE:
            driver.execute(statement)
        try:
            yield connection
        finally:
            connection.invalidate()  # the lock and the settings end with the connection


_ALONE_ON_POSTGRES = (
    "SET statement_timeout = 0",
    f"SET lock_timeout = {int(_WAIT_SECONDS * 1000)}",
    f"SELECT pg_advisory_lock({_LOCK})",
)
_ALONE_ON_SQLITE = (
    f"PRAGMA busy_timeout = {int(_WAIT_SECONDS * 1000)}",
    "PRAGMA foreign_keys = OFF",  # a table that is rebuilt is dropped in between
)
