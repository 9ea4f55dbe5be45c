"""The whole database as one file, and back: consistent while others write, with the number of rows in each table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import inspect, text

from app.core.config import Settings
from app.infra import db, dumps_postgres, dumps_sqlite, engines, migrations
from app.infra.postgres_programs import ProgramFailed, ProgramMissing

__all__ = ["FILES", "Kind", "ProgramFailed", "ProgramMissing", "Taken", "alone", "faults", "load", "scratch", "take"]

Kind = Literal["sqlite", "postgresql"]

FILES: dict[Kind, str] = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken: the file, of which kind, at which revision, how many rows of each table."""

    file: Path
    kind: Kind
    server: str
    revision: str | None
    rows: dict[str, int]


def kind() -> Kind:
    """Return which database is used."""
    return "postgresql" if db.is_postgres() else "sqlite"


def take(settings: Settings, folder: Path) -> Taken:
    """Write the database into a folder, as it is at one moment. Readers and writers go on."""
    which = kind()
    file = folder / FILES[which]
    dump = dumps_postgres.take if which == "postgresql" else dumps_sqlite.take
    server, revision, rows = dump(settings.database, file)
    return Taken(file, which, server, revision, rows)


def load(url: str, file: Path, folder: Path) -> None:
    """Bring what ``take`` wrote into an empty database, whole or not at all."""
    if url.startswith("postgresql"):
        dumps_postgres.load(url, file, folder)
    else:
        dumps_sqlite.load(url, file)


def empty(settings: Settings) -> None:
    """Take away the tables of a database that nobody used yet."""
    if not db.is_postgres():
        return  # loading replaces every page
    if migrations.current() is not None:
        migrations.downgrade("base")
    dumps_postgres.drop_revision(settings.database)


@contextmanager
def scratch(settings: Settings, which: Kind, folder: Path) -> Iterator[str]:
    """Make a database that is gone afterwards, and yield its URL."""
    if which == "sqlite":
        yield f"sqlite:///{folder / 'scratch.sqlite3'}"
        return
    with dumps_postgres.scratch(settings.database) as url:
        yield url


@contextmanager
def alone(settings: Settings) -> Iterator[bool]:
    """Try to be the only one of all instances that does this; yield whether it is us. Waits for nobody."""
    if not settings.database.startswith("postgresql"):
        yield True  # whoever shares an SQLite file shares the machine, and a lock file
        return
    with dumps_postgres.alone(settings.database) as is_ours:
        yield is_ours


def counted() -> dict[str, int]:
    """Return the number of rows of each table of the present database."""
    with db.translated(), db.engine().execution_options(**{engines.READS: True}).connect() as connection:
        if db.is_postgres():
            connection.execute(text("SET statement_timeout = 0"))
            connection.detach()  # the setting ends with the connection
        names = inspect(connection).get_table_names()
        quote = connection.dialect.identifier_preparer.quote
        return {
            name: int(connection.execute(text(f"SELECT count(*) FROM {quote(name)}")).scalar_one())  # noqa: S608 -- a quoted name of the database's own
            for name in names
        }


def faults(url: str) -> list[str]:
    """Say what is wrong inside of a database: broken pages, references to nothing, numbers that would come twice."""
    return dumps_postgres.faults(url) if url.startswith("postgresql") else dumps_sqlite.faults(url)
