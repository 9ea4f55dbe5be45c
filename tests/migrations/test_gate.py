import re
from pathlib import Path

import pytest

from app.infra import migrations
from tests.migrations import gate, rules
from tests.migrations.databases import longer_history

NEW = 'op.create_table("new", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Integer()))'

IN_A_BLOCK = """with op.get_context().autocommit_block():
        op.create_index("ix_users_locale", "users", ["locale"], postgresql_concurrently=True)"""

BAD = {
    "drop-table": 'op.drop_table("visitors")',
    "drop-column": 'op.drop_column("users", "locale")',
    "rename": 'op.alter_column("users", "locale", new_column_name="language")',
    "change-type": 'op.alter_column("users", "locale", type_=sa.Text())',
    "not-null": 'op.add_column("users", sa.Column("title", sa.Text(), nullable=False))',
    "index": 'op.create_index("ix_users_locale", "users", ["locale"])',
    "constraint": 'op.create_foreign_key("fk_users_x", "users", "users", ["id"], ["id"])',
    "change-rows": "op.execute(\"UPDATE users SET locale = 'en'\")",
    "unreadable": 'op.get_bind().execute(sa.text("SELECT 1")).all()',
    "ban-concurrent-index-creation-in-transaction": 'op.drop_index("ix", "users", postgresql_concurrently=True)'
    '; op.create_index("ix", "users", ["locale"], postgresql_concurrently=True)',
    "ban-drop-default": 'op.alter_column("users", "locale", server_default=None)',
}
"""What each rule refuses."""

MORE_BAD = [
    ("drop-column", 'op.execute("ALTER TABLE users DROP COLUMN locale")'),
    ("drop-table", 'op.execute("DROP TABLE visitors")'),
    ("rename", 'op.rename_table("users", "people")'),
    ("rename", 'op.execute("ALTER TABLE users RENAME COLUMN locale TO language")'),
    ("not-null", 'op.alter_column("users", "locale", nullable=False)'),
    ("index", 'op.drop_index("ix_users_created_at", "users")'),
    ("index", 'op.execute("CREATE INDEX ix_users_locale ON users (locale)")'),
    ("constraint", 'op.create_unique_constraint("uq_users_locale", "users", ["locale"])'),
    ("constraint", 'op.create_check_constraint("ck_users_locale", "users", "locale <> \'\'")'),
    ("change-rows", 'op.execute(sa.table("users", sa.column("locale")).delete())'),
    ("change-rows", 'op.get_bind().execute(sa.text("UPDATE users SET locale = NULL"))'),
    ("drop-column", 'with op.batch_alter_table("users") as users:\n        users.drop_column("locale")'),
]
"""The same in other words."""

GOOD = [
    'op.add_column("users", sa.Column("title", sa.Text(), nullable=True))',
    'op.add_column("users", sa.Column("title", sa.Text(), server_default="", nullable=False))',
    'op.create_foreign_key("fk_users_x", "users", "users", ["id"], ["id"], postgresql_not_valid=True)',
    'op.execute("ALTER TABLE users VALIDATE CONSTRAINT fk_users_x")',
    'op.execute("UPDATE new SET n = 1")',
    'op.create_index("ix_new_n", "new", ["n"])',
    'op.alter_column("new", "n", type_=sa.Text())',
    IN_A_BLOCK,
]
"""What may be done to a table in use, or to one that the revision makes."""


def refused(folder: Path, body: str, *, allowed: str = "{}", down: str | None = None) -> list[str]:
    """Return what is said of a revision that does this, each line's rule first."""
    history = longer_history(folder, more=f"{NEW}\n    {body}")
    path = history.folder / "versions" / f"{history.third}_made_up.py"
    text = path.read_text().replace("depends_on = None", f"depends_on = None\nALLOWED = {allowed}")
    if down is not None:
        text = re.sub(r"(def downgrade.*\n).*", rf"\1    {down}\n", text)
    path.write_text(text)
    return gate.refusals(gate.scripts(history.folder)[-1])


def rules_of(lines: list[str]) -> set[str]:
    return {line.partition(":")[0] for line in lines}


class TestRules:
    @pytest.mark.parametrize(("rule", "body"), [*BAD.items(), *MORE_BAD])
    def test_refuses(self, tmp_path: Path, rule: str, body: str) -> None:
        assert rules_of(refused(tmp_path, body)) == {rule}

    @pytest.mark.parametrize("body", GOOD)
    def test_passes(self, tmp_path: Path, body: str) -> None:
        assert refused(tmp_path, body) == []

    @pytest.mark.parametrize("down", ["pass", "raise NotImplementedError", '"""Never."""'])
    def test_refuses_a_revision_that_does_not_go_back(self, tmp_path: Path, down: str) -> None:
        assert rules_of(refused(tmp_path, "pass", down=down)) == {"no-downgrade"}

    def test_are_all_shown_to_refuse_something(self) -> None:
        assert {rule.name for rule in rules.RULES} <= set(BAD)


class TestReasons:
    @pytest.mark.parametrize(("rule", "body"), BAD.items())
    def test_let_it_through(self, tmp_path: Path, rule: str, body: str) -> None:
        reason = "Nobody reads it since release 2."

        assert refused(tmp_path, body, allowed=f"{{{rule!r}: {reason!r}}}") == []

    def test_must_say_something(self, tmp_path: Path) -> None:
        lines = refused(tmp_path, BAD["drop-column"], allowed="{'drop-column': 'needed'}")

        assert lines == ["ALLOWED gives no reason for 'drop-column'."]

    def test_must_be_for_what_the_revision_does(self, tmp_path: Path) -> None:
        lines = refused(tmp_path, "pass", allowed="{'drop-column': 'Nobody reads it since release 2.'}")

        assert lines == ["ALLOWED has 'drop-column', and the revision does nothing of the kind."]

    def test_of_one_rule_let_no_other_through(self, tmp_path: Path) -> None:
        body = f"{BAD['drop-column']}\n    {BAD['index']}"

        assert rules_of(refused(tmp_path, body, allowed="{'index': 'The table is small, by design.'}")) == {
            "drop-column"
        }


class TestGate:
    def test_passes_our_own_revisions(self) -> None:
        assert [line for script in gate.scripts(migrations.FOLDER) for line in gate.refusals(script)] == []

    def test_exits_with_1_and_names_the_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        history = longer_history(tmp_path, more=BAD["drop-column"])

        code = gate.main([str(history.folder)])

        assert code == 1
        assert capsys.readouterr().err.startswith(f"{history.third}_made_up.py: drop-column: users.locale is gone")
