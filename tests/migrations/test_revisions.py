import ast
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from app.infra import db, migrations
from app.infra.columns import Model
from app.main import features
from tests.migrations import rows
from tests.world import World

SCRIPTS = list(ScriptDirectory.from_config(migrations.config()).walk_revisions())[::-1]

every_revision = pytest.mark.parametrize("script", SCRIPTS, ids=[script.revision for script in SCRIPTS])


def before(script: Script) -> str:
    assert isinstance(script.down_revision, str | None)
    return script.down_revision or "base"


class TestEachRevision:
    @every_revision
    @pytest.mark.usefixtures("empty")
    def test_goes_up_down_and_up_again_with_rows_in_every_table(self, script: Script) -> None:
        migrations.upgrade(script.revision)
        with db.engine().begin() as connection:
            filled = rows.fill(connection)
            made = rows.schema(connection)

        migrations.downgrade(before(script))
        with db.engine().begin() as connection:
            kept = rows.counts(connection)
        migrations.upgrade(script.revision)

        with db.engine().begin() as connection:
            assert rows.schema(connection) == made
        assert filled
        assert [name for name, count in kept.items() if count == 0] == []
        assert migrations.current() == script.revision

    @every_revision
    @pytest.mark.usefixtures("empty")
    def test_goes_up_with_rows_in_every_table(self, script: Script) -> None:
        migrations.upgrade(before(script)) if script.down_revision else None
        with db.engine().begin() as connection:
            rows.fill(connection)
            filled, was = rows.counts(connection), rows.schema(connection)

        migrations.upgrade(script.revision)

        with db.engine().begin() as connection:
            after, made = rows.counts(connection), rows.schema(connection)
        assert [name for name in filled if after.get(name, 1) == 0] == []
        assert made != was

    @every_revision
    def test_is_numbered_and_says_what_it_does(self, script: Script) -> None:
        tree = ast.parse(Path(script.path).read_text())

        assert Path(script.path).name.startswith(f"{script.revision}_")
        assert len(ast.get_docstring(tree) or "") > 10

    @every_revision
    def test_does_not_change_when_the_code_does(self, script: Script) -> None:
        tree = ast.parse(Path(script.path).read_text())

        imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

        assert [name for name in imported if name and name.split(".")[0] == "app"] == []


class TestHistory:
    def test_has_a_single_head(self) -> None:
        assert len(ScriptDirectory.from_config(migrations.config()).get_heads()) == 1

    def test_is_one_line_of_numbers(self) -> None:
        numbers = [script.revision for script in SCRIPTS]

        assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]

    @pytest.mark.usefixtures("empty")
    def test_leaves_nothing_when_it_is_undone(self) -> None:
        with db.engine().begin() as connection:
            untouched = rows.schema(connection)
        migrations.upgrade()

        migrations.downgrade("base")

        with db.engine().begin() as connection:
            assert rows.schema(connection) == untouched
        assert migrations.current() is None


class TestModels:
    def test_agree_with_the_migrations(self, world: World) -> None:
        with db.engine().connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )

            assert compare_metadata(context, Model.metadata) == []

    def test_are_all_known_to_migrations(self, world: World) -> None:
        features.load_models()

        with db.engine().connect() as connection:
            assert set(rows.schema(connection)) == set(Model.metadata.tables)

    def test_are_compared_down_to_their_columns(self, world: World) -> None:
        with db.engine().connect() as connection:
            connection.exec_driver_sql("DROP INDEX ix_users_created_at")
            context = MigrationContext.configure(connection)

            found = compare_metadata(context, Model.metadata)

            connection.rollback()
        assert [change[0] for change in found] == ["add_index"]
