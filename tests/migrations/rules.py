"""What a migration does that locks a table or destroys something, told from its Alembic operations."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from alembic.operations import ops


class Finding(NamedTuple):
    """A rule, and how a revision breaks it."""

    rule: str
    text: str


@dataclass(frozen=True)
class Rule:
    """What an operation does that needs a reason; ``breaks`` returns the rest of the sentence."""

    name: str
    kinds: tuple[type[ops.MigrateOperation], ...]
    breaks: Callable[[Any], str | None]


def of_operations(operations: Iterable[ops.MigrateOperation]) -> Iterator[Finding]:
    """Return what is found in the operations, leaving out tables that the same revision makes."""
    done = list(operations)
    new = made_by(done)
    for operation in done:
        for rule in RULES:
            if not isinstance(operation, rule.kinds) or _table(operation) in new:
                continue
            if said := rule.breaks(operation):
                yield Finding(rule.name, said)


def of_sql(sql: str, new: set[str]) -> Iterator[Finding]:
    """Return what is found in the SQL, whoever wrote it: statements over the rows of a table in use."""
    for found in _OVER_ROWS.finditer(sql):
        if found[2] not in new:
            text = "one statement over a whole table keeps its row locks until the end"
            yield Finding(CHANGE_ROWS, f"{text}: {found[0].strip()} …")


def made_by(operations: Iterable[ops.MigrateOperation]) -> set[str]:
    """Return the tables that a revision makes."""
    return {operation.table_name for operation in operations if isinstance(operation, ops.CreateTableOp)}


CHANGE_ROWS = "change-rows"
_OVER_ROWS = re.compile(r"^\s*(UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+\"?(\w+)", re.IGNORECASE | re.MULTILINE)


def _table(operation: Any) -> str | None:
    table = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    return str(table) if table else None


def _drops_column(operation: ops.DropColumnOp) -> str:
    return f"{_table(operation)}.{operation.column_name} is gone while the old code still reads it."


def _renames(operation: ops.AlterColumnOp | ops.RenameTableOp) -> str | None:
    name = operation.new_table_name if isinstance(operation, ops.RenameTableOp) else operation.modify_name
    return f"the old code does not know {_table(operation)} as {name}." if name else None


def _changes_type(operation: ops.AlterColumnOp) -> str | None:
    if operation.modify_type is None:
        return None
    return f"{_table(operation)}.{operation.column_name} may be rewritten, under a lock that keeps readers out."


def _needs_value(operation: ops.AddColumnOp | ops.AlterColumnOp) -> str | None:
    if isinstance(operation, ops.AlterColumnOp):
        forced = operation.modify_nullable is False
        return f"{_table(operation)}.{operation.column_name} is scanned under a lock." if forced else None
    column = operation.column
    if column.nullable is not False or column.server_default is not None:
        return None
    return f"{_table(operation)}.{column.name}: rows have no value for it, and the old code writes none."


def _builds_index(operation: ops.CreateIndexOp | ops.DropIndexOp) -> str | None:
    if operation.kw.get("postgresql_concurrently"):
        return None
    return f"{operation.index_name} keeps writers of {_table(operation)} out while it is built or dropped."


def _validates(operation: Any) -> str | None:
    if operation.kw.get("postgresql_not_valid"):
        return None
    return f"{operation.constraint_name}: all rows of {_table(operation)} are read under a lock."


RULES = (
    Rule("drop-table", (ops.DropTableOp,), lambda op: f"{_table(op)} is gone while the old code still reads it."),
    Rule("drop-column", (ops.DropColumnOp,), _drops_column),
    Rule("rename", (ops.RenameTableOp, ops.AlterColumnOp), _renames),
    Rule("change-type", (ops.AlterColumnOp,), _changes_type),
    Rule("not-null", (ops.AddColumnOp, ops.AlterColumnOp), _needs_value),
    Rule("index", (ops.CreateIndexOp, ops.DropIndexOp), _builds_index),
    Rule(
        "constraint",
        (ops.CreateForeignKeyOp, ops.CreateCheckConstraintOp, ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp),
        _validates,
    ),
)
