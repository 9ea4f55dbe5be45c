"""What a migration does that locks a table or destroys something, told from its Alembic operations."""

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


def of_losses(
    operations: Iterable[ops.MigrateOperation], *, made: Iterable[ops.MigrateOperation] = ()
) -> Iterator[Finding]:
    """Return what loses data, of what was there before and was not made by these other operations."""
    done, before = list(operations), list(made)
    tables = made_by(done) | made_by(before)
    columns = {(one.table_name, one.column.name) for one in before if isinstance(one, ops.AddColumnOp)}
    for one in done:
        if _table(one) in tables:
            continue
        if isinstance(one, ops.DropTableOp):
            yield Finding(DROP_TABLE, f"{_table(one)} is gone.")
        elif isinstance(one, ops.DropColumnOp) and (one.table_name, one.column_name) not in columns:
            yield Finding(DROP_COLUMN, f"{_table(one)}.{one.column_name} is gone.")


def made_by(operations: Iterable[ops.MigrateOperation]) -> set[str]:
    """Return the tables that a revision makes, and that were not there before."""
    found: set[str] = set()
    old: set[str] = set()
    for operation in operations:
        makes = isinstance(operation, ops.CreateTableOp) and not operation.if_not_exists
        if table := _table(operation):
            (found if makes and table not in old else old).add(table)
    return found


CHANGE_ROWS, CONSTRAINT, NOT_NULL, STATEMENT = "change-rows", "constraint", "not-null", "statement"
DROP_COLUMN, DROP_TABLE = "drop-column", "drop-table"


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


def _ends_transaction(operation: ops.ExecuteSQLOp) -> str | None:
    words = str(operation.sqltext).split(maxsplit=1)
    if words[:1] and words[0].strip(";").upper() in {
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
    }:
        return "a revision happens whole or not at all; what must not, goes into an autocommit_block()."
    return None


RULES = (
    Rule(DROP_TABLE, (ops.DropTableOp,), lambda op: f"{_table(op)} is gone while the old code still reads it."),
    Rule(DROP_COLUMN, (ops.DropColumnOp,), _drops_column),
    Rule("rename", (ops.RenameTableOp, ops.AlterColumnOp), _renames),
    Rule("change-type", (ops.AlterColumnOp,), _changes_type),
    Rule(NOT_NULL, (ops.AddColumnOp, ops.AlterColumnOp), _needs_value),
    Rule("index", (ops.CreateIndexOp, ops.DropIndexOp), _builds_index),
    Rule(STATEMENT, (ops.ExecuteSQLOp,), _ends_transaction),
    Rule(
        CONSTRAINT,
        (ops.CreateForeignKeyOp, ops.CreateCheckConstraintOp, ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp),
        _validates,
    ),
)
