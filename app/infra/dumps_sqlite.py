"""SQLite as one file and back."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from app.core.errors import Unavailable
from app.infra.archive import DiskFull

_BUSY_SECONDS = 60.0
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

Told = tuple[str, str | None, dict[str, int]]
"""The version of the database program, the revision of the schema, the rows of each table."""


def take(url: str, file: Path) -> Told:
    """Write a compact copy: one read transaction, beside which others write."""
    place = Path(make_url(url).database or "")
    if not place.is_file():
        raise Unavailable("There is no database yet. Run 'flask init-db'.")
    with closing(_open(place)) as live:
        try:
            live.execute("VACUUM INTO ?", (str(file),))
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise DiskFull from error
            raise Unavailable from error
    file.chmod(0o600)
    with closing(_open(file)) as copy:
        names = [name for (name,) in copy.execute(_TABLES)]
        rows = {name: int(copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}  # noqa: S608 -- a name of the database's own
        found = (
            copy.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in rows else None
        )
    return sqlite3.sqlite_version, found[0] if found else None, rows


def load(url: str, file: Path) -> None:
    """Replace every page in one transaction, so that whoever is killed in between leaves the old ones."""
    place = Path(make_url(url).database or "")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(_open(file)) as copy, closing(_open(place)) as live:
            copy.backup(live, pages=-1)
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise DiskFull from error
        raise Unavailable("The database file is in use. Stop the service first.") from error


def faults(url: str) -> list[str]:
    """Have SQLite examine every page, index and reference."""
    with closing(_open(Path(make_url(url).database or ""))) as connection:
        pages = [text for (text,) in connection.execute("PRAGMA integrity_check(5)") if text != "ok"]
        orphans = {row[0] for row in connection.execute("PRAGMA foreign_key_check")}
    return [*pages, *(f"rows of {name} refer to rows that are not there" for name in sorted(orphans))]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
