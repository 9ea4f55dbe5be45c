"""A row for every table of a database, whatever its columns, made up from what the database says of them."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    func,
    inspect,
    select,
)

_VALUES: list[tuple[type[Any], Any]] = [
    (Boolean, True),
    (Integer, 1),
    (DateTime, datetime(2026, 1, 9, 12, tzinfo=UTC)),
    (Date, date(2026, 1, 9)),
    (JSON, {"made": "up"}),
    (LargeBinary, b"made up"),
    (Uuid, "01890a5d-ac96-774b-bcce-b302099a8057"),
    (CHAR, "01890a5dac96774bbcceb302099a8057"),  # a UUID on SQLite
]

Schema = dict[str, dict[str, Any]]


def fill(connection: Connection) -> list[str]:
    """Put a row into each table that has none; return the names of all tables."""
    tables = _tables(connection)
    for table in tables:
        if not _count(connection, table):
            connection.execute(table.insert(), {column.name: _value(column) for column in table.columns})
    return [table.name for table in tables]


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table holds."""
    return {table.name: _count(connection, table) for table in _tables(connection)}


def schema(connection: Connection) -> Schema:
    """Describe every table: columns, keys, indexes and constraints."""
    inspector = inspect(connection)
    return {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"]) for one in inspector.get_columns(name)
            ],
            "key": inspector.get_pk_constraint(name),
            "references": sorted(inspector.get_foreign_keys(name), key=str),
            "indexes": sorted((one["name"], one["column_names"], one["unique"]) for one in inspector.get_indexes(name)),
            "unique": sorted(inspector.get_unique_constraints(name), key=str),
        }
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _value(column: Column[Any]) -> Any:
    return next((value for kind, value in _VALUES if isinstance(column.type, kind)), "x")
