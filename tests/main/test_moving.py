from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, text

from app.features.audit import service as audit
from app.infra import checksums, db, moving, retired
from app.main.moving import MADE_AT_START
from tests.api import Api, a_user, some_users
from tests.live import free_port
from tests.main import moved
from tests.migrations import rows
from tests.world import SERVICES, World

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="moves to a PostgreSQL, which only the services world has"),
    pytest.mark.slow,
]


@pytest.fixture
def old(world: World, tmp_path: Path) -> Flask:
    """The application on SQLite, with rows in every table."""
    app = moved.on_sqlite(world, tmp_path / "old.db")
    a_user()
    some_users(20)
    with db.engine().begin() as connection:
        rows.fill(connection)
    return app


@pytest.fixture
def url(world: World, tmp_path: Path) -> Iterator[str]:
    with moved.target(tmp_path) as made:
        yield made


def old_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'old.db'}"


class TestMove:
    def test_brings_every_row_of_every_table(self, old: Flask, url: str, tmp_path: Path) -> None:
        before = moved.contents(old_url(tmp_path))

        run = moved.move(old, url)

        assert run.exit_code == 0, run.output
        assert moved.contents(url) == before == moved.contents(old_url(tmp_path))
        assert [name for name, found in before.items() if found.rows == 0] == []

    def test_says_what_it_does_and_what_is_next(self, old: Flask, url: str) -> None:
        run = moved.move(old, url)

        address = make_url(url)
        assert "copied users: 21 of 21 rows (100 %)" in run.stderr
        assert "users: 21 rows, " in run.stdout
        assert "counts and checksums agree" in run.stdout
        assert f"Set DATABASE_URL to the URL that --to had (postgresql://{address.host}:{address.port}" in run.stdout
        assert "Keep SECRET_KEY as it is" in run.stdout

    def test_lets_the_next_rows_get_the_next_numbers(self, old: Flask, url: str, world: World) -> None:
        moved.move(old, url)
        world.with_settings(database_url=url, secret_key=(moved.SECRET,))

        person = a_user()

        assert person.id == 22

    def test_keeps_the_trail_append_only_and_whole(self, old: Flask, url: str) -> None:
        with db.unit_of_work(writes=False):
            head = audit.verify().head
        moved.move(old, url)

        with db.unit_of_work(writes=False):
            found = audit.verify()

        assert (found.fault, found.head) == (None, head)
        for change in (b"UPDATE audit_events SET ip = ''", b"DELETE FROM audit_events", b"TRUNCATE audit_events"):
            with moved.operator(url) as operator, pytest.raises(psycopg.errors.RaiseException):
                operator.execute(change)

    def test_lets_the_old_database_only_be_read(self, old: Flask, url: str, world: World, tmp_path: Path) -> None:
        moved.move(old, url)
        app = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))

        answer = Api(app).post(
            "/auth/register", {"username": "mary", "email": "mary@navy.test", "password": "Engine-1842-No"}
        )

        assert answer.status_code == 503
        assert retired.destination() is not None

    def test_may_be_repeated(self, old: Flask, url: str, world: World, tmp_path: Path) -> None:
        moved.move(old, url)
        again = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))

        run = moved.move(again, url)

        assert run.exit_code == 0, run.output
        assert "were there already, the same" in run.stdout

    def test_takes_the_place_of_what_a_first_start_made(
        self, old: Flask, url: str, world: World, tmp_path: Path
    ) -> None:
        prepared = world.with_settings(database_url=url)
        assert prepared.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
        again = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))

        run = moved.move(again, url)

        assert run.exit_code == 0, run.output
        assert moved.contents(url) == moved.contents(old_url(tmp_path))

    def test_of_many_rows_keeps_few_in_memory(self, old: Flask, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checksums, "BATCH", 8)
        heard: list[int] = []
        monkeypatch.setattr(
            "app.main.moving._Progress.__call__",
            lambda _self, what, table, at, _total: heard.append(at) if (what, table) == ("copied", "users") else None,
        )

        moved.move(old, url)

        assert heard == [8, 16, 21]


class TestRefusals:
    def test_of_a_target_with_tables_of_something_else(self, old: Flask, url: str) -> None:
        with moved.operator(url) as operator:
            operator.execute("CREATE TABLE orders (id int)")

        run = moved.move(old, url)

        assert run.exit_code == 1
        assert "tables of something else: orders" in run.stderr
        assert "CREATE DATABASE" in run.stderr
        assert retired.destination() is None

    def test_of_a_target_with_people_in_it(self, old: Flask, url: str, world: World, tmp_path: Path) -> None:
        world.with_settings(database_url=url).test_cli_runner().invoke(args=["init-db"])
        a_user()
        before = moved.contents(url)
        again = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))

        run = moved.move(again, url)

        assert run.exit_code == 1
        assert "The target holds data already" in run.stderr
        assert moved.contents(url) == before
        assert retired.destination() is None

    def test_of_a_target_that_lacks_letters(self, old: Flask, url: str) -> None:
        address = make_url(url)
        with moved.operator(url) as operator:
            operator.execute("CREATE DATABASE of_letters ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        try:
            run = moved.move(old, address.set(database="of_letters").render_as_string(hide_password=False))
        finally:
            with moved.operator(url) as operator:
                operator.execute("DROP DATABASE of_letters WITH (FORCE)")

        assert run.exit_code == 1
        assert "The target's encoding is SQL_ASCII" in run.stderr
        assert retired.destination() is None

    def test_of_another_target_than_before(self, old: Flask, url: str, world: World, tmp_path: Path) -> None:
        moved.move(old, url)
        again = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))
        another = make_url(url).set(database="another").render_as_string(hide_password=False)

        run = moved.move(again, another)

        assert run.exit_code == 1
        assert "was moved to postgresql://" in run.stderr
        assert "flask db reopen" in run.stderr

    def test_of_rows_that_arrive_otherwise(self, old: Flask, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A trigger that somebody has on the target, or a fault of ours."""
        original = moving._copy

        def spoil(here: object, there: object, table: object, advance: object) -> object:
            found = original(here, there, table, advance)  # type: ignore[arg-type]
            found.total += 1 if str(table) == "sessions" else 0
            return found

        monkeypatch.setattr(moving, "_copy", spoil)

        run = moved.move(old, url)

        assert run.exit_code == 1
        assert "sessions: what arrived is not what left" in run.stderr
        assert {name for name, found in moved.contents(url).items() if found.rows} == {"audit_head"}
        assert retired.destination() is None

    def test_while_somebody_writes_for_long(
        self, old: Flask, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with db.engine().connect() as writer:
            writer.execute(text("UPDATE users SET locale = 'en'"))
            run = moved.move(old, url)

        assert run.exit_code == 1
        assert "Something has been writing" in run.stderr
        assert moved.move(old, url).exit_code == 0

    def test_of_rows_that_postgres_would_not_take(self, old: Flask, url: str) -> None:
        with db.engine().begin() as connection:
            connection.execute(text("UPDATE users SET locale = :long WHERE id = 1"), {"long": "secret" * 20})

        run = moved.move(old, url)

        assert run.exit_code == 1
        assert "value too long for type character varying(35) (users.locale, row 1)" in run.stderr
        assert "secret" not in run.output
        assert retired.destination() is None

    @pytest.mark.parametrize(
        ("spoil", "column"),
        [
            ("UPDATE users SET first_name = 'sec' || char(0) || 'ret' WHERE id = 3", "users.first_name"),
            ("UPDATE users SET first_name = CAST(x'736563726574eda080' AS TEXT) WHERE id = 3", "users.first_name"),
            ("UPDATE users SET version = 'secret' WHERE id = 3", "users.version"),
            ("UPDATE roles SET permissions = '[\"secret\\ud800\"]' WHERE id = 1", "roles.permissions"),
        ],
        ids=["a NUL", "no letter", "no number", "no JSON"],
    )
    def test_of_what_does_not_belong_there_name_the_column_alone(
        self, world: World, url: str, tmp_path: Path, spoil: str, column: str
    ) -> None:
        app = moved.on_sqlite(world, tmp_path / "old.db")
        some_users(3)
        with db.engine().begin() as connection:
            connection.exec_driver_sql(spoil)

        run = moved.move(app, url)

        assert run.exit_code == 1
        assert column in run.stderr
        assert "secret" not in run.output
        assert "Traceback" not in run.output
        assert retired.destination() is None

    @pytest.mark.parametrize(
        "to",
        [
            "postgresql://u:hush@127.0.0.1:{port}/nothing",
            "postgresql://u:hush@127.0.0.1:{port}/nothing?secret=hush",
            "postgresql://u:hush@host:port/nothing",
            "sqlite:///hush",
            "hush",
        ],
    )
    def test_never_show_the_password(self, old: Flask, to: str) -> None:
        run = moved.move(old, to.format(port=free_port()))

        assert run.exit_code == 1
        assert "hush" not in run.output
        assert "Traceback" not in run.output


class TestReopen:
    def test_lets_the_old_database_be_written_again(self, old: Flask, url: str, world: World, tmp_path: Path) -> None:
        moved.move(old, url)
        app = world.with_settings(database_url=old_url(tmp_path), secret_key=(moved.SECRET,))

        run = app.test_cli_runner().invoke(args=["db", "reopen"])

        assert run.exit_code == 0, run.output
        assert a_user().id == 22

    def test_of_what_was_not_moved_is_refused(self, old: Flask) -> None:
        assert old.test_cli_runner().invoke(args=["db", "reopen"]).exit_code == 1


class TestWhatAFirstStartMakes:
    def test_is_what_a_move_replaces(self, world: World, url: str) -> None:
        world.with_settings(database_url=url).test_cli_runner().invoke(args=["init-db"])

        filled = {name for name, found in moved.contents(url).items() if found.rows}

        assert filled <= MADE_AT_START


class TestTwoAtOnce:
    def test_make_one_copy(self, world: World, url: str, tmp_path: Path) -> None:
        moved.on_sqlite(world, tmp_path / "old.db")
        some_users(200)
        db.engine().dispose()
        began = [moved.begin_move(tmp_path, tmp_path / "old.db", url) for _ in range(2)]
        said: list[str] = []

        readers = [Thread(target=lambda one=one: said.append("".join(one.communicate(timeout=60)))) for one in began]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

        assert [process.returncode for process in began] == [0, 0], said
        assert moved.contents(url) == moved.contents(old_url(tmp_path))
