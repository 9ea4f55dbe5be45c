"""How tables are described: the base of all models, and types that mean the same on both databases."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, Uuid
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from app.core.ids import UUID

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; SQLite's own 64-bit row id is spelled INTEGER."""


Mark = dict[Any, Any]
"""What ``mapped_column(info=…)`` takes."""

EMPTIED: Mark = {"personal": "emptied"}
"""Personal data in a row that stays when its person is erased."""

DELETED: Mark = {"personal": "deleted with its row"}
"""Personal data in a row that goes when its person is erased."""

LOGGED: Mark = {"personal": "kept for AUDIT_RETENTION_DAYS"}
"""Personal data in the audit trail: it outlasts its person, who is only a number in it."""


def sealed_as(purpose: str, mark: Mark | None = None) -> Mark:
    """Mark a column whose bytes its feature encrypts itself, with what it calls them in the keyring."""
    return {"sealed": purpose, **(mark or {})}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC on both databases: SQLite drops the zone, so it is put back; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """Say what comes out; a TypeDecorator alone says ``object``."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without zone"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's protocol
        """Return UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Model(DeclarativeBase):
    """The base of all tables; constraints have names, so that migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), UUID: Uuid(), int: BigId}

    def __repr__(self) -> str:
        """Show the key only: secrets and personal data never reach a log through a repr."""
        key: Any = getattr(self, "id", None)
        return f"<{type(self).__name__} {key}>"
