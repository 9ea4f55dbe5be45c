import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import text

from app.infra import db, migrations
from tests.live import free_port
from tests.migrations.databases import OURS, longer_history
from tests.world import World

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def fresh(world: World, empty_url: str) -> Flask:
    return world.with_settings(database_url=empty_url)


@pytest.fixture
def flask(fresh: Flask) -> FlaskCliRunner:
    return FlaskCliRunner(fresh)


class TestUpgrade:
    def test_goes_to_the_newest(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "upgrade"])

        assert (run.exit_code, run.stdout) == (0, f"At {migrations.head()}.\n")

    def test_may_be_repeated(self, flask: FlaskCliRunner) -> None:
        flask.invoke(args=["db", "upgrade"])

        run = flask.invoke(args=["db", "upgrade"])

        assert (run.exit_code, run.stdout) == (0, f"At {migrations.head()}.\n")

    def test_goes_to_a_revision(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "upgrade", "0001"])

        assert (run.exit_code, run.stdout) == (0, "At 0001.\n")

    def test_says_in_words_that_a_revision_is_unknown(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "upgrade", "never"])

        assert run.exit_code == 1
        assert run.stderr == "Error: Can't locate revision identified by 'never'\n"

    def test_says_in_words_that_the_database_is_away(self, world: World) -> None:
        away = world.with_settings(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")

        run = FlaskCliRunner(away).invoke(args=["db", "upgrade"])

        assert run.exit_code == 1
        assert run.stderr == "Error: The service cannot do this right now. Try again in a moment.\n"


class TestDowngrade:
    def test_goes_back_by_one(self, flask: FlaskCliRunner) -> None:
        flask.invoke(args=["db", "upgrade", "0001"])

        run = flask.invoke(args=["db", "downgrade"])

        assert (run.exit_code, run.stdout) == (0, "At nothing.\n")

    def test_goes_back_to_the_beginning(self, flask: FlaskCliRunner) -> None:
        flask.invoke(args=["db", "upgrade"])

        run = flask.invoke(args=["db", "downgrade", "base"])

        assert (run.exit_code, run.stdout) == (0, "At nothing.\n")

    def test_says_in_words_that_there_is_nothing_before(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "downgrade"])

        assert run.exit_code == 1
        assert run.stderr.startswith("Error: Relative revision -1 didn't produce 1 migrations")


class TestCurrent:
    def test_is_nothing_before_the_first(self, flask: FlaskCliRunner) -> None:
        assert flask.invoke(args=["db", "current"]).stdout == "nothing\n"

    def test_is_the_revision_of_the_database(self, flask: FlaskCliRunner) -> None:
        migrations.upgrade("0001")

        assert flask.invoke(args=["db", "current"]).stdout == "0001\n"


class TestHistory:
    def test_lists_every_revision_with_what_it_does(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "history"])

        assert run.exit_code == 0
        assert len(run.stdout.splitlines()) == len(list((OURS / "versions").glob("*.py")))
        assert run.stdout.splitlines()[-1] == "<base> -> 0001, Initial schema."


class TestMigrate:
    @pytest.fixture(autouse=True)
    def _own_history(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep what is written out of the checkout."""
        history = longer_history(tmp_path_factory.mktemp("history"))
        for made_up in (history.folder / "versions").glob("*_made_up.py"):
            made_up.unlink()
        monkeypatch.setattr(migrations, "FOLDER", history.folder)

    def test_writes_the_difference_between_models_and_database(self, flask: FlaskCliRunner) -> None:
        head = migrations.head() or ""
        flask.invoke(args=["db", "upgrade"])
        with db.engine().begin() as connection:
            connection.execute(text("DROP INDEX ix_users_created_at"))

        run = flask.invoke(args=["db", "migrate", "-m", "Bring the index back"])

        number = f"{int(head) + 1:04}"
        written = (migrations.FOLDER / "versions" / f"{number}_bring_the_index_back.py").read_text()
        assert run.exit_code == 0
        assert f'revision = "{number}"' in written.replace("'", '"')
        assert "create_index" in written
        assert "ix_users_created_at" in written

    def test_writes_what_then_works(self, flask: FlaskCliRunner) -> None:
        flask.invoke(args=["db", "upgrade"])
        with db.engine().begin() as connection:
            connection.execute(text("DROP INDEX ix_users_created_at"))
        flask.invoke(args=["db", "migrate", "-m", "Bring the index back"])

        there = flask.invoke(args=["db", "upgrade"])
        back = flask.invoke(args=["db", "downgrade"])

        assert (there.exit_code, back.exit_code) == (0, 0)
        assert back.stdout != there.stdout

    def test_says_in_words_that_the_database_is_behind(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "migrate", "-m", "Too early"])

        assert run.exit_code == 1
        assert run.stderr == "Error: Target database is not up to date.\n"

    def test_wants_to_know_what_it_does(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["db", "migrate"])

        assert run.exit_code == 2
        assert "--message" in run.stderr


class TestInitDb:
    def test_makes_everything_that_is_needed(self, flask: FlaskCliRunner) -> None:
        run = flask.invoke(args=["init-db"])

        with db.engine().connect() as connection:
            keys = connection.scalars(text("SELECT status FROM signing_keys ORDER BY status")).all()
            roles = connection.scalars(text("SELECT name FROM roles ORDER BY name")).all()
        assert (run.exit_code, run.stdout) == (0, f"The database is at {migrations.head()}.\n")
        assert (keys, roles) == (["active", "next"], ["admin", "user"])

    def test_changes_nothing_when_it_is_repeated(self, flask: FlaskCliRunner) -> None:
        flask.invoke(args=["init-db"])
        with db.engine().connect() as connection:
            before = connection.execute(text("SELECT kid, status FROM signing_keys ORDER BY kid")).all()

        run = flask.invoke(args=["init-db"])

        with db.engine().connect() as connection:
            after = connection.execute(text("SELECT kid, status FROM signing_keys ORDER BY kid")).all()
        assert run.exit_code == 0
        assert after == before
