"""Refuses a migration that locks a table or destroys something without a written reason.

``python -m tests.migrations.gate [folder]``; part of ``make check``. With ``--land`` it notes what passes, and from
then on refuses another text under the same number: databases have it already, and would never get the rest.

While a release goes out, the old code runs on the new schema, and every statement waits behind the one that waits for a
lock. What is refused, and how to do it instead, is in docs/migrations.md. What must be all the same says why, in the
revision: ``ALLOWED = {"rule": "reason"}``. Tables that the same revision makes hold nothing and are nobody's yet.
"""

import ast
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.operations import Operations, ops
from alembic.operations.base import AbstractOperations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from app.infra import migrations
from tests.migrations import landed, rules, statements
from tests.migrations.rules import Finding

SQUAWK = Path(sys.executable).with_name("squawk")
POSTGRES = "15.0"

NOT_OURS = (
    "prefer-text-field",  # which type a column has is decided in the models
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-timestamp-tz",
    "prefer-robust-stmts",  # a revision happens whole or not at all
    "transaction-nesting",  # what Alembic's autocommit_block() writes
    "ban-uncommitted-transaction",  # as above: Alembic ends what it begins
    "require-timeout-settings",  # app/infra/migrations.py sets them, and tests/migrations/statements.py sees to it
)

SAME_AS = {
    "ban-drop-column": "drop-column",
    "ban-drop-table": "drop-table",
    "ban-truncate-cascade": "change-rows",
    "renaming-column": "rename",
    "renaming-table": "rename",
    "changing-column-type": "change-type",
    "adding-not-nullable-field": "not-null",
    "adding-required-field": "not-null",
    "require-concurrent-index-creation": "index",
    "require-concurrent-index-deletion": "index",
    "adding-foreign-key-constraint": "constraint",
    "adding-primary-key-constraint": "constraint",
    "constraint-missing-not-valid": "constraint",
    "disallowed-unique-constraint": "constraint",
}
"""Rules of squawk, which reads the SQL, that are rules of ours, which reads the operations: one reason is enough."""

DOWNGRADE = "downgrade"
LOSSES = {rules.CHANGE_ROWS, rules.DROP_COLUMN, rules.DROP_TABLE}
_ASKS_WHO_READS = re.compile(r"\b(?:as_sql|is_offline_mode)\b")

LEAST = 20
"""Fewer characters than that are no reason."""


LAND = "--land"


class TwoHeads(Exception):
    """Two revisions come after the same one, and no database would know which to take."""


@dataclass(frozen=True)
class Rendered:
    """What a revision does: its operations and its SQL for PostgreSQL."""

    operations: list[ops.MigrateOperation]
    sql: str
    trouble: str = ""


def main(arguments: Sequence[str]) -> int:
    """Print what is refused and return the exit code."""
    folders = [Path(word) for word in arguments if word != LAND]
    folder = folders[0] if folders else migrations.FOLDER
    try:
        found = scripts(folder)
    except TwoHeads as error:
        refused = [str(error)]
    else:
        refused = [f"{Path(script.path).name}: {line}" for script in found for line in refusals(script)]
        if LAND in arguments and not refused:
            landed.note(folder)
        refused += landed.changed(folder)
    for line in refused:
        sys.stderr.write(f"{line}\n")
    return int(bool(refused))


def scripts(folder: Path) -> list[Script]:
    """Return the revisions in a folder of migrations, the first one first. Raise TwoHeads."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    directory = ScriptDirectory.from_config(config)
    if len(heads := directory.get_heads()) > 1:
        raise TwoHeads(f"{' and '.join(sorted(heads))} both come last: put one after the other, by its down_revision.")
    return list(directory.walk_revisions())[::-1]


def refusals(script: Script) -> list[str]:
    """Return what is wrong with a revision, each as a sentence."""
    found = findings(script)
    allowed: dict[str, str] = getattr(script.module, "ALLOWED", {})
    lines = [f"{one.rule}: {one.text}" for one in found if one.rule not in allowed]
    needless = sorted(set(allowed) - {one.rule for one in found})
    lines += [f"ALLOWED has '{rule}', and the revision does nothing of the kind." for rule in needless]
    lines += [f"ALLOWED gives no reason for '{rule}'." for rule in allowed if len(allowed[rule].strip()) < LEAST]
    return lines


def findings(script: Script) -> list[Finding]:
    """Return what a revision does that needs a reason."""
    rendered = render(script.module.upgrade)
    new = rules.made_by(rendered.operations)
    found = [*rules.of_operations(rendered.operations), *statements.of_sql(rendered.sql, new)]
    ours = {one.rule for one in found}
    found += [one for one in of_squawk(rendered.sql, new) if one.rule not in ours]
    ours = {one.rule for one in found}
    embedded = render(script.module.upgrade, "sqlite")
    found += [one for one in losses(embedded) if one.rule not in ours]
    if rendered.trouble:
        found.append(Finding("unreadable", f"cannot be written as SQL ({rendered.trouble}), so nobody can review it."))
    if _ASKS_WHO_READS.search(Path(script.path).read_text()):
        found.append(Finding("unreadable", "does something else while it is read than while it migrates."))
    return found + list(_of_the_way_back(script, rendered))


def _of_the_way_back(script: Script, there: Rendered) -> Iterator[Finding]:
    back = render(script.module.downgrade)
    if not _goes_back(Path(script.path)) or not (back.operations or back.sql.strip() or back.trouble):
        yield Finding("no-downgrade", "downgrade() does nothing.")
    for one in losses(back, made=there.operations):
        yield Finding(DOWNGRADE, f"downgrade() takes what upgrade() did not bring: {one.text}")


def losses(rendered: Rendered, made: Sequence[ops.MigrateOperation] = ()) -> Iterator[Finding]:
    """Return what loses data on whatever database, but for tables and columns that these operations made."""
    yield from rules.of_losses(rendered.operations, made=made)
    new = rules.made_by(rendered.operations) | rules.made_by(made)
    written = "\n".join(str(one.sqltext) + ";" for one in rendered.operations if isinstance(one, ops.ExecuteSQLOp))
    yield from (one for one in statements.of_sql(written, new, new) if one.rule in LOSSES)


def render(change: Callable[[], None], dialect: str = "postgresql") -> Rendered:
    """Run ``upgrade()`` or ``downgrade()`` without a database, and keep what it would do."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect,
        opts={"as_sql": True, "output_buffer": written, "literal_binds": True},
    )
    trouble = ""
    with _recorded() as operations, Operations.context(context):
        try:
            change()
        except Exception as error:  # noqa: BLE001 -- whatever a revision does that needs a database
            trouble = type(error).__name__
    return Rendered(operations, written.getvalue(), trouble)


def of_squawk(sql: str, new: set[str]) -> list[Finding]:
    """Let squawk read the SQL as one transaction, which Alembic makes of it, but for tables that are made in it."""
    excluded = [f"--exclude={rule}" for rule in NOT_OURS]
    command = [str(SQUAWK), "--reporter=json", f"--pg-version={POSTGRES}", "--assume-in-transaction", *excluded]
    run = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    if run.returncode not in {0, 1} or not run.stdout.strip():
        raise SystemExit(f"squawk failed: {run.stderr}")
    lines, found = sql.splitlines(), []
    for one in json.loads(run.stdout):
        statement = next((line.strip() for line in lines[one["line"] :] if line.strip()), "")
        table = _TABLE.search(statement)
        if not (table and table[1] in new):
            rule = SAME_AS.get(one["rule_name"], one["rule_name"])
            found.append(Finding(rule, f"{one['message']} ({statement[:80]})"))
    return found


_TABLE = re.compile(r"\b(?:ALTER TABLE|ON|DROP TABLE)\s+\"?(\w+)")


@contextmanager
def _recorded() -> Iterator[list[ops.MigrateOperation]]:
    """Note every operation, also those of ``batch_alter_table``, before it is carried out."""
    seen: list[ops.MigrateOperation] = []
    original = AbstractOperations.invoke

    def invoke(self: AbstractOperations, operation: ops.MigrateOperation) -> Any:
        seen.append(operation)
        return original(self, operation)

    AbstractOperations.invoke = invoke  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        AbstractOperations.invoke = original  # type: ignore[method-assign]


def _goes_back(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    bodies = [node.body for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "downgrade"]
    idle = (ast.Pass, ast.Raise)
    return any(
        not isinstance(statement, idle)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for body in bodies
        for statement in body
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
