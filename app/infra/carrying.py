"""Rows on their way out of SQLite, which keeps in a column whatever somebody puts there.

What cannot be carried is refused by the names of its table and column. Its value is never said: it may be a secret.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import psycopg
from sqlalchemy import JSON, Column, Connection, String, Table, select
from sqlalchemy.exc import DBAPIError

from app.core.errors import Conflict, Unavailable
from app.infra import checksums
from app.infra.checksums import Values

Pair = tuple[Values, bytes]
"""A row, and its canonical form."""

_FAULTS = DBAPIError, Unavailable, ValueError, TypeError

_PLACE = re.compile(r"COPY (\w+), line (\d+)(?:, column (\w+))?")
_VALUE = re.compile(r': ".*', re.DOTALL)


class NotMoved(Conflict):
    """Nothing was moved, and both databases are as they were."""

    code = "NOT_MOVED"


def batches(here: Connection, table: Table) -> Iterator[list[Pair]]:
    """Read a table in batches. Raises NotMoved for a row that is not what its columns say."""
    write = checksums.canonical(table)
    texts = [at for at, column in enumerate(table.columns) if isinstance(column.type, String)]
    try:
        for batch in checksums.read(here, table):
            for row in batch:
                _check(row, texts)
            yield [(row, write(row)) for row in batch]
    except _FAULTS:
        raise NotMoved(_refusal(here, table)) from None


def words(error: BaseException | None) -> str:
    """Say what a database refused, and where, without the value that its message may quote."""
    original = getattr(error, "orig", error)
    if not isinstance(original, psycopg.Error):
        return f"{type(original).__name__}."
    said = _VALUE.sub("", original.diag.message_primary or str(original).partition("\n")[0]).rstrip(".")
    where = original.diag.column_name or original.diag.table_name
    if place := _PLACE.match(original.diag.context or ""):
        where = f"{place[1]}.{place[3]}, row {place[2]}" if place[3] else f"{place[1]}, row {place[2]}"
    return f"{said} ({where})." if where else f"{said}."


def _check(row: Values, texts: Sequence[int]) -> None:
    """Raise ValueError for what PostgreSQL would not take as text, or take as another."""
    for at in texts:
        value = row[at]
        if value is not None and (not isinstance(value, str) or "\0" in value):
            raise ValueError


def _refusal(here: Connection, table: Table) -> str:
    column = next((column.name for column in table.columns if not _is_readable(here, column)), None)
    place = f"{table.name}.{column}" if column else table.name
    return (
        f"{place} of the present database holds what does not belong there: a time or a UUID that is none, bytes"
        " instead of text, a NUL. Mend the row, and run it again."
    )


def _is_readable(here: Connection, column: Column[Any]) -> bool:
    """Read one column alone."""
    is_text, is_json = isinstance(column.type, String), isinstance(column.type, JSON)
    try:
        for row in here.execute(select(checksums.as_stored(column))):
            _check(tuple(row), [0] if is_text else [])
            orjson.loads(row[0] if is_json and row[0] is not None else "null")
    except _FAULTS:
        return False
    return True
