"""The content of a table as one number that does not depend on the database, its order, or its spelling of values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

import orjson
from sqlalchemy import JSON, Column, Connection, LargeBinary, Table, Text, cast, select, type_coerce
from sqlalchemy.types import TypeDecorator

BATCH = 1000

_BITS = 2**256 - 1

Values: TypeAlias = tuple[Any, ...]


@dataclass(slots=True)
class Checksum:
    """Rows, and the sum of their SHA-256: neither order nor a lost, doubled or changed row goes unseen."""

    rows: int = 0
    total: int = 0

    def add(self, row: bytes) -> None:
        """Count a row in its canonical form."""
        self.rows += 1
        self.total = (self.total + int.from_bytes(sha256(row).digest())) & _BITS

    def __str__(self) -> str:
        """Show the beginning, which people compare."""
        return f"{self.total:064x}"[:16]


def read(connection: Connection, table: Table) -> Iterator[Sequence[Values]]:
    """Read a table in batches, a few of which are in memory: bytes stay sealed, JSON stays the text that it is."""
    wanted = select(*(as_stored(column) for column in table.columns))
    with connection.execute(wanted, execution_options={"stream_results": True, "yield_per": BATCH}) as rows:
        for batch in rows.partitions():
            yield [tuple(row) for row in batch]


def canonical(table: Table) -> "Canonical":
    """Return what writes rows of this table, as ``read`` gives them, in the form that is the same everywhere."""
    return Canonical([at for at, column in enumerate(table.columns) if isinstance(column.type, JSON)])


@dataclass(frozen=True, slots=True)
class Canonical:
    """Times in UTC with microseconds, UUIDs with dashes, bytes in hexadecimal, JSON with its names in order."""

    json: list[int]

    def __call__(self, row: Values) -> bytes:
        """Write one row."""
        values = list(row)
        for at in self.json:
            if values[at] is not None:
                values[at] = orjson.loads(values[at])
        return orjson.dumps(values, default=_spell, option=orjson.OPT_SORT_KEYS)


def of(connection: Connection, table: Table) -> Checksum:
    """Read a whole table and return its checksum."""
    found, write = Checksum(), canonical(table)
    for batch in read(connection, table):
        for row in batch:
            found.add(write(row))
    return found


def as_stored(column: Column[Any]) -> Any:  # noqa: ANN401 -- one of SQLAlchemy's many kinds of expression
    """Return what reads a column in the form in which both databases give the same."""
    kind = column.type
    if isinstance(kind, JSON):
        return cast(column, Text).label(column.name)
    if isinstance(kind, TypeDecorator) and isinstance(kind.impl, LargeBinary):
        return type_coerce(column, LargeBinary).label(column.name)
    return column


def _spell(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    raise TypeError(f"no canonical form for {type(value).__name__}")
