import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Connection, event, inspect, select, text
from sqlalchemy.exc import DBAPIError

from app.features.access.models import UserRole
from app.infra import db, migrations
from tests.api import a_user
from tests.live import environment
from tests.migrations.databases import empty_database, longer_history
from tests.world import SERVICES, World

HOW_MANY = 5 if SERVICES else 3

FLASK_WITH_ANOTHER_HISTORY = """
import sys
from pathlib import Path
from flask.cli import main
from app.infra import migrations
migrations.FOLDER = Path(sys.argv.pop(1))
main()
"""


def tables() -> set[str]:
    return set(inspect(db.engine()).get_table_names())


def starts_flask(folder: Path, history: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FLASK_WITH_ANOTHER_HISTORY, str(history), "--app", "wsgi", "init-db"],
        cwd=folder,
        env=environment(folder, DATABASE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class TestStartedAtOnce:
    @pytest.mark.slow
    def test_one_of_many_migrates_and_none_fails(self, world: World, tmp_path: Path) -> None:
        history = longer_history(tmp_path)
        with empty_database(tmp_path) as url:
            started = [starts_flask(tmp_path, history.folder, url) for _ in range(HOW_MANY)]
            outputs = [process.communicate(timeout=180)[0] for process in started]

            world.with_settings(database_url=url)
            with db.engine().connect() as connection:
                keys = connection.scalars(text("SELECT status FROM signing_keys ORDER BY status")).all()
                roles = connection.scalars(text("SELECT name FROM roles ORDER BY name")).all()
            db.engine().dispose()

        assert [process.returncode for process in started] == [0] * HOW_MANY, outputs
        assert [output.splitlines()[-1] for output in outputs] == [f"The database is at {history.third}."] * HOW_MANY
        assert (keys, roles) == (["active", "next"], ["admin", "user"])


class TestUpgrade:
    def test_takes_no_lock_when_there_is_nothing_to_do(self, empty: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        migrations.upgrade()
        taken: list[str] = []
        monkeypatch.setattr(migrations, "alone", lambda: taken.append("the lock"))

        migrations.upgrade()

        assert taken == []

    @pytest.mark.parametrize("how", ["raise ValueError", 'op.execute("INSERT INTO nowhere VALUES (1)")'])
    def test_that_fails_leaves_the_revision_before_whole(
        self, empty: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        history = longer_history(tmp_path, more=how)
        monkeypatch.setattr(migrations, "FOLDER", history.folder)
        migrations.upgrade(history.second)

        with pytest.raises((ValueError, DBAPIError)):
            migrations.upgrade()

        assert migrations.current() == history.second
        assert f"made_up_{history.second}" in tables()
        assert f"made_up_{history.third}" not in tables()

    @pytest.mark.skipif(SERVICES, reason="PostgreSQL's lock outlasts transactions, so each revision has its own")
    def test_lets_nobody_in_between_two_revisions(
        self, empty: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "FOLDER", longer_history(tmp_path).folder)
        ended: list[Connection] = []
        event.listen(db.engine(), "commit", ended.append)

        migrations.upgrade()

        assert len(ended) == 1

    def test_is_tried_again_once_it_is_mended(
        self, empty: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = longer_history(tmp_path / "broken", more="raise ValueError")
        mended = longer_history(tmp_path / "mended")
        monkeypatch.setattr(migrations, "FOLDER", broken.folder)
        with pytest.raises(ValueError):  # noqa: PT011 -- raised without a word
            migrations.upgrade()

        monkeypatch.setattr(migrations, "FOLDER", mended.folder)
        migrations.upgrade()

        assert migrations.current() == mended.third


@pytest.mark.skipif(not SERVICES, reason="SQLite has one lock, and a migration holds it from the beginning")
class TestUpgradeOfATableInUse:
    @pytest.fixture(autouse=True)
    def _hurry(self, empty: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        migrations.upgrade()
        wider = 'op.add_column("users", sa.Column("made_up", sa.Integer()))'
        monkeypatch.setattr(migrations, "FOLDER", longer_history(tmp_path, more=wider).folder)
        monkeypatch.setattr(migrations, "_LOCK_SECONDS", 0.2)
        monkeypatch.setattr(migrations, "_PAUSE_SECONDS", 0.3)

    def test_stands_back_so_that_readers_pass(self, caplog: pytest.LogCaptureFixture) -> None:
        slowest = 0.0
        with ThreadPoolExecutor(1) as thread, db.engine().connect() as long:
            long.execute(text("SELECT count(*) FROM users"))
            migrating = thread.submit(migrations.upgrade)
            ends = time.monotonic() + 1.5
            while time.monotonic() < ends:
                began = time.monotonic()
                with db.unit_of_work(writes=False):
                    db.session().execute(text("SELECT count(*) FROM users"))
                slowest = max(slowest, time.monotonic() - began)
            long.rollback()
            migrating.result(20)

        assert slowest < 1
        assert "a migration waited for a lock and stood back" in caplog.messages
        assert not migrations.are_pending()

    def test_is_as_brief_after_a_revision_that_reset_the_bound(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        history = longer_history(tmp_path / "reset", more='op.add_column("users", sa.Column("x", sa.Integer()))')
        second = history.folder / "versions" / f"{history.second}_made_up.py"
        reset = '    with op.get_context().autocommit_block():\n        op.execute("RESET lock_timeout")\n\n\ndef down'
        second.write_text(second.read_text().replace("    \n\n\ndef down", reset))
        monkeypatch.setattr(migrations, "FOLDER", history.folder)
        monkeypatch.setattr(migrations, "_WAIT_SECONDS", 0.5)

        with db.engine().connect() as long:
            long.execute(text("SELECT count(*) FROM users"))
            with ThreadPoolExecutor(1) as thread:
                migrating = thread.submit(migrations.upgrade)
                ended, _ = wait([migrating], 10)
                long.rollback()

        assert isinstance(next(iter(ended)).exception(), migrations.Blocked)

    def test_says_in_the_end_whom_to_look_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(migrations, "_WAIT_SECONDS", 0.5)
        before = migrations.current()

        with db.engine().connect() as long:
            long.execute(text("SELECT count(*) FROM users"))
            with pytest.raises(migrations.Blocked, match="pg_stat_activity"):
                migrations.upgrade()

        assert migrations.current() == f"{int(before or 0) + 2:04}"


class TestArePending:
    def test_is_true_of_an_empty_database(self, empty: Flask) -> None:
        assert migrations.are_pending()

    def test_is_false_once_it_was_migrated(self, empty: Flask) -> None:
        migrations.upgrade()

        assert not migrations.are_pending()

    def test_is_true_of_code_that_is_newer(self, empty: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        migrations.upgrade()

        monkeypatch.setattr(migrations, "FOLDER", longer_history(tmp_path).folder)

        assert migrations.are_pending()

    def test_is_false_of_code_that_is_older(self, empty: Flask) -> None:
        """Else a rolling release would make every instance of the old code not ready at once."""
        migrations.upgrade()
        with db.engine().begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        assert not migrations.are_pending()
        assert migrations.current() == "9999"


class TestAlone:
    def test_keeps_others_out(self, empty: Flask) -> None:
        migrations.upgrade()
        second_is_in, first_leaves = Event(), Event()

        def enter() -> None:
            with migrations.alone() as connection:
                connection.execute(text("UPDATE roles SET description = description"))
                second_is_in.set()

        with ThreadPoolExecutor(1) as thread:
            with migrations.alone() as connection:
                connection.execute(text("UPDATE roles SET description = description"))
                other = thread.submit(enter)
                was_in = second_is_in.wait(0.2)
                connection.rollback()
                first_leaves.set()
            other.result(10)

        assert not was_in
        assert second_is_in.is_set()

    @pytest.mark.skipif(SERVICES, reason="only SQLite rebuilds a table to change it, and drops the old one for that")
    def test_lets_a_table_be_rebuilt_without_losing_what_refers_to_it(self, world: World) -> None:
        a_user()

        with migrations.alone() as connection:
            operations = Operations(MigrationContext.configure(connection))
            with operations.batch_alter_table("users", recreate="always"):
                pass
            connection.commit()

        with db.unit_of_work(writes=False):
            assert db.session().scalars(select(UserRole.user_id)).all()
