"""What is held of a person, read from any table as plain values that JSON can say."""

import base64
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from app.core import clock
from app.core.ids import UUID
from app.infra import db
from app.infra.columns import Model


def rows(model: type[Model], of: ColumnElement[bool], *, but: frozenset[str] | set[str]) -> list[dict[str, Any]]:
    """Return every row of somebody, with all columns ``but`` these: a column that is added is shown."""
    table = model.__table__
    columns = [column for column in table.c if column.name not in but]
    found = db.session().execute(select(*columns).where(of).order_by(*table.primary_key))
    return [{name: plain(value) for name, value in row._mapping.items()} for row in found]  # noqa: SLF001 -- SQLAlchemy's public name


def plain(value: Any) -> Any:  # noqa: ANN401 -- whatever a column holds
    """Return a value as JSON writes it; times as everywhere on the wire, bytes as base64url without padding."""
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    return value
