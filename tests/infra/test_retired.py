from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.errors import Unavailable
from app.infra import db, engines, migrations, retired
from app.main import starting
from app.main.starting import RefusesToStart
from tests.api import Api, a_user, some_users
from tests.main import moved
from tests.world import World


@pytest.fixture
def old(world: World, tmp_path: Path) -> Iterator[Flask]:
    """The application on an SQLite database that was moved elsewhere; it is SQLite in both worlds."""
    app = moved.on_sqlite(world, tmp_path / "old.db")
    some_users(1)
    with db.engine().execution_options(**{engines.WRITES: True}).begin() as connection:
        retired.retire(connection, address="postgresql://elsewhere:5432/carboy")
    yield app
    db.engine().dispose()


class TestRetired:
    def test_can_be_read(self, old: Flask) -> None:
        with db.unit_of_work(writes=False):
            assert db.session().scalar(text("SELECT count(*) FROM users")) == 1

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO visit_counts VALUES ('2026-01-09', '/', 1)",
            "UPDATE users SET locale = 'en'",
            "DELETE FROM users",
            "INSERT OR REPLACE INTO alembic_version VALUES ('0001')",
        ],
    )
    def test_answers_that_it_cannot_be_written_now(self, old: Flask, statement: str) -> None:
        with pytest.raises(Unavailable), db.unit_of_work():
            db.session().execute(text(statement))

    def test_answers_503_where_a_name_would_be_taken(self, old: Flask) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "password": "Engine-1842-Notes"}

        assert Api(old).post("/auth/register", body).status_code == 503

    def test_says_where_it_was_moved_to(self, old: Flask) -> None:
        found = retired.destination()

        assert found is not None
        assert found.address == "postgresql://elsewhere:5432/carboy"

    def test_is_no_database_to_start_on(self, world: World, old: Flask) -> None:
        with pytest.raises(RefusesToStart, match="moved to postgresql://elsewhere"):
            starting.prepare(world.settings)

    def test_is_no_database_to_migrate(self, old: Flask) -> None:
        with pytest.raises(retired.WasMoved):
            migrations.upgrade()
        with pytest.raises(retired.WasMoved):
            migrations.downgrade("0001")

    def test_is_no_database_for_commands_that_write(self, old: Flask) -> None:
        run = old.test_cli_runner().invoke(args=["seed", "--users", "1"])

        assert run.exit_code == 1
        assert "flask db reopen" in run.stderr

    def test_may_be_retired_again(self, old: Flask) -> None:
        with db.engine().execution_options(**{engines.WRITES: True}).begin() as connection:
            retired.retire(connection, address="postgresql://another:5432/carboy")

        found = retired.destination()
        assert found is not None
        assert found.address == "postgresql://another:5432/carboy"


class TestReopen:
    def test_leaves_the_database_as_it_was(self, old: Flask) -> None:
        run = old.test_cli_runner().invoke(args=["db", "reopen"])

        with db.engine().connect() as connection:
            left = connection.scalars(text("SELECT name FROM sqlite_master WHERE name GLOB 'moved_to*'")).all()
        assert run.exit_code == 0, run.output
        assert left == []
        assert retired.destination() is None
        assert a_user().id == 2

    def test_of_what_was_not_moved_is_refused(self, world: World) -> None:
        run = world.app.test_cli_runner().invoke(args=["db", "reopen"])

        assert run.exit_code == 1
        assert "in use" in run.stderr


class TestDestination:
    def test_of_a_database_in_use_is_none(self, world: World) -> None:
        assert retired.destination() is None
