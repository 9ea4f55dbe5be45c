"""Which columns hold personal data, as the models say."""

from sqlalchemy import Column

from app.infra import resealing
from app.infra.columns import Model

AnyColumn = Column[object]


def columns() -> list[AnyColumn]:
    """Return every column that is marked as personal, by table."""
    return [column for column in every_column() if "personal" in column.info]


def every_column() -> list[AnyColumn]:
    """Return every column of every table, in the order in which the models name them."""
    tables = Model.metadata.tables
    return [column for name in sorted(tables) for column in tables[name].columns]


def described() -> str:
    """Write the personal columns as a table: where, whether encrypted, what becomes of them."""
    lines = ["| column | encrypted | when the person is erased |", "|---|---|---|"]
    for column in columns():
        encrypted = "yes" if resealing.purpose_of(column) else ""
        lines.append(f"| `{column.table.name}.{column.name}` | {encrypted} | {column.info['personal']} |")
    return "\n".join(lines)
