"""Brings the schema to the version of the code; of several that start at once exactly one does it, none fails."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.infra import db, engines

FOLDER = Path(__file__).resolve().parents[2] / "migrations"

_LOCK = 0x0CA2B0  # any number, the same in every instance
_WAIT_SECONDS = 300


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
    if revision == "head" and not are_pending():
        return
    with alone() as connection, _whole(connection):
        command.upgrade(config(connection), revision)


def downgrade(revision: str) -> None:
    """Migrate backwards."""
    with alone() as connection, _whole(connection):
        command.downgrade(config(connection), revision)


def _whole(connection: Connection) -> AbstractContextManager[object]:
    """Put all revisions into one transaction on SQLite, where between two of them somebody else could begin."""
    return nullcontext() if db.is_postgres() else connection.begin()


@contextmanager
def alone() -> Iterator[Connection]:
    """Hold the lock of all instances. On SQLite the write transaction itself is it."""
    writing = db.engine().execution_options(**{engines.WRITES: True})
    with db.translated(), writing.connect() as connection:
        driver = connection.connection.cursor()
        for statement in _ALONE_ON_POSTGRES if db.is_postgres() else _ALONE_ON_SQLITE:
            driver.execute(statement)
        try:
            yield connection
        finally:
            connection.invalidate()  # the lock and the settings end with the connection


_ALONE_ON_POSTGRES = (
    "SET statement_timeout = 0",
    f"SET lock_timeout = '{_WAIT_SECONDS}s'",
    f"SELECT pg_advisory_lock({_LOCK})",
)
_ALONE_ON_SQLITE = (
    f"PRAGMA busy_timeout = {_WAIT_SECONDS * 1000}",
    "PRAGMA foreign_keys = OFF",  # a table that is rebuilt is dropped in between
)
