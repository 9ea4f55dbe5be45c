"""The statements that the service sends, straight on the driver: prepared, in autocommit, a connection a thread."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Json, set_json_loads

Rows = list[tuple[Any, ...]]

_TEXTS = Path(__file__).with_name("bare.sql")
_SHOWN = (
    "users.id, users.username, users.email, users.email_verified_at, users.first_name, users.last_name, users.locale,"
    " users.is_active, users.version, users.created_at, users.updated_at, users.deleted_at"
)
_ROLES = (
    "(SELECT JSON_LIST(roles.name) FROM roles JOIN user_roles ON user_roles.role_id = roles.id"
    " WHERE user_roles.user_id = users.id)"
)


class Database(Protocol):
    """One connection, and how values look on it."""

    def run(self, name: str, **given: object) -> Rows:
        """Run a statement and return its rows, none for one that returns nothing."""

    def transaction(self) -> Any:  # noqa: ANN401 -- a context manager, each driver's own
        """Commit what is done inside."""

    def moment(self, at: datetime) -> object:
        """Return a time as a parameter."""

    def key(self, value: UUID) -> object:
        """Return a UUID as a parameter."""

    def document(self, value: object) -> object:
        """Return JSON as a parameter."""

    def wire(self, at: Any) -> str | None:  # noqa: ANN401 -- what the driver returns
        """Return a time that was read as RFC 3339."""

    def parsed(self, value: Any) -> Any:  # noqa: ANN401 -- what the driver returns
        """Return JSON that was read as an object."""


class Postgres:
    """PostgreSQL through psycopg."""

    def __init__(self, url: str) -> None:
        set_json_loads(orjson.loads)
        self._connection = psycopg.connect(
            f"postgresql://{url.partition('://')[2]}", autocommit=True, options="-c timezone=UTC"
        )
        self._cursor = self._connection.cursor()
        texts = _statements(r"%(\1)s", JSON_LIST="json_agg", LOCKED="FOR NO KEY UPDATE")
        self._texts = {name: text.encode() for name, text in texts.items()}

    def run(self, name: str, **given: object) -> Rows:
        cursor = self._cursor.execute(self._texts[name], given, prepare=True)
        return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._cursor.execute(b"BEGIN")
        yield
        self._cursor.execute(b"COMMIT")

    def moment(self, at: datetime) -> object:
        return at

    def key(self, value: UUID) -> object:
        return value

    def document(self, value: object) -> object:
        return Json(value, dumps=orjson.dumps)

    def wire(self, at: datetime | None) -> str | None:
        return None if at is None else at.isoformat(timespec="milliseconds")[:23] + "Z"

    def parsed(self, value: Any) -> Any:  # noqa: ANN401 -- any JSON
        return value


class Sqlite:
    """SQLite, which keeps its statements prepared by itself."""

    def __init__(self, url: str) -> None:
        path = urlsplit(url).path.removeprefix("/")
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._texts = _statements(r":\1", JSON_LIST="json_group_array", LOCKED="")

    def run(self, name: str, **given: object) -> Rows:
        return self._connection.execute(self._texts[name], given).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        yield
        self._connection.execute("COMMIT")

    def moment(self, at: datetime) -> object:
        return at.isoformat(sep=" ", timespec="microseconds")[:26]

    def key(self, value: UUID) -> object:
        return value.hex

    def document(self, value: object) -> object:
        return orjson.dumps(value).decode()

    def wire(self, at: str | None) -> str | None:
        return at and f"{at[:10]}T{at[11:23]}Z"

    def parsed(self, value: str | None) -> Any:  # noqa: ANN401 -- any JSON
        return None if value is None else orjson.loads(value)


def connect(url: str) -> Database:
    """Open one connection."""
    return Postgres(url) if url.startswith("postgresql") else Sqlite(url)


def _statements(parameter: str, **spelled: str) -> dict[str, str]:
    """Return the statements by name, as one database spells parameters and the words in capitals."""
    found = {}
    for part in _TEXTS.read_text().split("-- name: ")[1:]:
        name, _, text = part.partition("\n")
        for word, meaning in {"SHOWN": _SHOWN, "ROLES": _ROLES, **spelled}.items():
            text = text.replace(word, meaning)
        found[name] = re.sub(r":([a-z_]+)", parameter, " ".join(text.split()))
    return found
