import re
from pathlib import Path

import pytest

from tests.migrations import gate, landed, rules
from tests.migrations.databases import longer_history

NEW = 'op.create_table("new", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Integer()))'

IN_A_BLOCK = """with op.get_context().autocommit_block():
        op.create_index("ix_users_locale", "users", ["locale"], postgresql_concurrently=True)"""

UNBOUNDED = """with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        {}
        op.execute("RESET lock_timeout")"""

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
    "statement": 'op.execute("LOCK TABLE users")',
    "timeouts": 'op.execute("SET lock_timeout = 0")',
    "trigger": 'op.execute("DROP TRIGGER audit_events_no_change ON audit_events")',
    "ban-drop-default": 'op.alter_column("users", "locale", server_default=None)',
}
"""What each rule refuses."""

MORE_BAD = [
    ("drop-table", 'op.drop_table("visitors"); op.create_table("visitors", sa.Column("id", sa.Integer()))'),
    ("drop-table", 'op.execute("drop table new, public.visitors cascade")'),
    ("drop-table", 'op.execute("DROP TABLE new.visitors")'),
    ("drop-table", 'if op.get_context().dialect.name == "sqlite":\n        op.drop_table("visitors")'),
    ("drop-column", 'if op.get_bind().dialect.name == "sqlite":\n        op.execute("ALTER TABLE users DROP locale")'),
    ("unreadable", 'if not op.get_context().as_sql:\n        op.drop_table("visitors")'),
    ("not-null", 'op.execute("ALTER TABLE users ADD COLUMN number bigserial")'),
    ("constraint", 'op.execute("ALTER TABLE users ADD COLUMN age int CHECK (age > 0)")'),
    (
        "constraint",
        'with op.batch_alter_table("users") as users:\n        users.create_unique_constraint("u", ["locale"])',
    ),
    ("change-rows", 'op.execute("/* few */ UPDATE users SET locale = NULL")'),
    ("change-rows", 'op.execute("SELECT 1; update only public.users set locale = NULL")'),
    ("change-rows", 'op.execute("UPDATE new.users SET locale = NULL")'),
    ("change-rows", 'op.execute("WITH gone AS (DELETE FROM visitors RETURNING 1) SELECT count(*) FROM gone")'),
    ("change-rows", 'op.execute("INSERT INTO roles (name) VALUES (1) ON CONFLICT (name) DO UPDATE SET name = 2")'),
    ("change-rows", 'op.execute("TRUNCATE new, visitors")'),
    ("change-rows", 'op.execute("SELECT 1 FROM users FOR NO KEY UPDATE")'),
    ("change-rows", 'op.execute("MERGE INTO users u USING new n ON u.id = n.id WHEN MATCHED THEN DELETE")'),
    ("statement", 'op.execute("DO $$ BEGIN UPDATE users SET locale = NULL; END $$")'),
    ("statement", 'op.execute("VACUUM FULL users")'),
    ("statement", 'op.execute("CLUSTER users")'),
    ("statement", 'op.execute("ALTER TABLE users SET UNLOGGED")'),
    ("statement", 'op.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")'),
    ("statement", 'op.execute("REVOKE ALL ON users FROM PUBLIC")'),
    ("statement", 'op.execute("CREATE TABLE copied AS SELECT id FROM users")'),
    ("statement", 'op.execute("COMMIT")'),
    ("timeouts", 'op.execute("RESET ALL")'),
    ("timeouts", 'op.execute("DISCARD ALL")'),
    ("timeouts", "op.execute(\"SELECT set_config('lock_timeout', '0', false)\")"),
    (
        "timeouts",
        IN_A_BLOCK.replace("        op.create", '        op.execute("SET lock_timeout = 0")\n        op.create'),
    ),
    ("timeouts", UNBOUNDED.format('op.add_column("users", sa.Column("title", sa.Text()))')),
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
    "op.execute(\"ALTER TABLE users ADD CONSTRAINT c CHECK (locale <> 'UPDATE; DELETE') NOT VALID -- DROP TABLE x\")",
    'op.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET id = 1; END $$")',
    'op.execute("CREATE TRIGGER t BEFORE UPDATE ON new FOR EACH ROW EXECUTE FUNCTION f()")',
    "op.execute(\"COMMENT ON TABLE users IS 'people'; ANALYZE users\")",
    'op.execute("INSERT INTO new (n) SELECT count(*) FROM users")',
    'op.create_table("old", sa.Column("id", sa.Integer(), sa.ForeignKey("users.id"))); op.drop_table("old")',
    UNBOUNDED.format('op.create_index("ix", "users", ["locale"], postgresql_concurrently=True)'),
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

    @pytest.mark.parametrize("down", ["pass", "raise NotImplementedError", '"""Never."""', "return", 'print("no")'])
    def test_refuses_a_revision_that_does_not_go_back(self, tmp_path: Path, down: str) -> None:
        assert rules_of(refused(tmp_path, "pass", down=down)) == {"no-downgrade"}

    @pytest.mark.parametrize(
        "down",
        [
            'op.drop_table("visitors")',
            'op.drop_column("users", "locale")',
            'op.execute("DELETE FROM visitors")',
            'op.execute("TRUNCATE visitors")',
            'with op.batch_alter_table("users") as users:\n        users.drop_column("locale")',
        ],
    )
    def test_refuses_a_way_back_that_takes_more_than_was_brought(self, tmp_path: Path, down: str) -> None:
        assert rules_of(refused(tmp_path, "pass", down=down)) == {"downgrade"}

    def test_passes_a_way_back_that_takes_what_was_brought(self, tmp_path: Path) -> None:
        body = 'op.add_column("users", sa.Column("title", sa.Text()))'

        assert refused(tmp_path, body, down='op.drop_table("new"); op.drop_column("users", "title")') == []

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
    def test_passes_our_own_revisions(self, capsys: pytest.CaptureFixture[str]) -> None:
        code = gate.main([])

        assert (code, capsys.readouterr().err) == (0, "")

    def test_exits_with_1_and_names_the_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        history = longer_history(tmp_path, more=BAD["drop-column"])

        code = gate.main([str(history.folder)])

        assert code == 1
        assert capsys.readouterr().err.startswith(f"{history.third}_made_up.py: drop-column: users.locale is gone")

    def test_refuses_two_that_come_last(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        history = longer_history(tmp_path)
        third = history.folder / "versions" / f"{history.third}_made_up.py"
        third.write_text(third.read_text().replace(f'down_revision = "{history.second}"', 'down_revision = "0001"'))

        code = gate.main([str(history.folder)])

        assert code == 1
        assert f"{history.second} and {history.third} both come last" in capsys.readouterr().err


class TestLanded:
    @pytest.fixture
    def third(self, tmp_path: Path) -> Path:
        """A revision that passed, and was noted."""
        history = longer_history(tmp_path)
        assert gate.main([str(history.folder), "--land"]) == 0
        return history.folder / "versions" / f"{history.third}_made_up.py"

    def test_passes_as_it_was(self, third: Path) -> None:
        assert gate.main([str(third.parents[1])]) == 0

    def test_is_not_edited(self, third: Path, capsys: pytest.CaptureFixture[str]) -> None:
        third.write_text(third.read_text().replace("def upgrade() -> None:\n", "def upgrade() -> None:\n    pass\n"))

        code = gate.main([str(third.parents[1])])

        assert (code, f"{third.name}: landed: databases have it as it was" in capsys.readouterr().err) == (1, True)

    def test_does_not_go(self, third: Path, capsys: pytest.CaptureFixture[str]) -> None:
        third.unlink()

        code = gate.main([str(third.parents[1])])

        assert (code, f"{third.name}: landed: databases have it, and it is gone" in capsys.readouterr().err) == (
            1,
            True,
        )

    def test_must_be_noted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        history = longer_history(tmp_path)

        code = gate.main([str(history.folder)])

        assert (code, f"{history.third}_made_up.py: landed: run" in capsys.readouterr().err) == (1, True)

    def test_is_not_what_is_refused(self, tmp_path: Path) -> None:
        folder = longer_history(tmp_path, more=BAD["drop-column"]).folder
        before = (folder / landed.NAME).read_text()

        gate.main([str(folder), "--land"])

        assert (folder / landed.NAME).read_text() == before
