import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from app.core.config import Settings, load
from app.infra import db, engines
from tests.world import SERVICES, World


def on_sqlite(path: Path, **changed: object) -> Settings:
    return load(env_file=None, public_url="http://carboy.test", database_url=f"sqlite:///{path}", **changed)


class TestPool:
    def test_has_a_connection_for_each_thread_and_none_beyond(self, tmp_path: Path) -> None:
        pool = engines.create(on_sqlite(tmp_path / "it.db", threads=5)).pool

        assert isinstance(pool, QueuePool)
        assert (pool.size(), pool._max_overflow) == (5, 0)

    def test_has_as_many_as_the_settings_say(self, tmp_path: Path) -> None:
        pool = engines.create(on_sqlite(tmp_path / "it.db", threads=5, database_pool_size=3)).pool

        assert isinstance(pool, QueuePool)
        assert pool.size() == 3

    def test_shows_no_password(self) -> None:
        url = "postgresql://carboy:a-secret-word@127.0.0.1/carboy"

        engine = engines.create(load(env_file=None, public_url="http://carboy.test", database_url=url))

        assert "a-secret-word" not in repr(engine)
        assert engine.hide_parameters


class TestSqlite:
    @pytest.mark.parametrize(
        ("pragma", "value"),
        [
            pytest.param("journal_mode", "wal", id="readers do not wait for the writer"),
            pytest.param("foreign_keys", 1, id="references are checked"),
            pytest.param("busy_timeout", 5000, id="writers wait for each other"),
            pytest.param("synchronous", 1, id="safe with a write-ahead log"),
            pytest.param("secure_delete", 1, id="what is deleted is overwritten"),
        ],
    )
    def test_is_prepared(self, tmp_path: Path, pragma: str, value: object) -> None:
        engine = engines.create(on_sqlite(tmp_path / "it.db"))

        with engine.connect() as connection:
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
        engine.dispose()

    def test_refuses_a_reference_to_nothing(self, tmp_path: Path) -> None:
        engine = engines.create(on_sqlite(tmp_path / "it.db"))
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
            connection.execute(text("CREATE TABLE children (parent_id REFERENCES parents)"))

            with pytest.raises(IntegrityError):
                connection.execute(text("INSERT INTO children VALUES (1)"))
        engine.dispose()

    def test_makes_the_folder_of_its_file(self, tmp_path: Path) -> None:
        engines.create(on_sqlite(tmp_path / "deep" / "down" / "it.db"))

        assert (tmp_path / "deep" / "down").is_dir()

    def test_makes_no_file_before_it_is_used(self, tmp_path: Path) -> None:
        engines.create(on_sqlite(tmp_path / "it.db"))

        assert list(tmp_path.iterdir()) == []

    def test_makes_a_file_that_nobody_else_can_read(self, tmp_path: Path) -> None:
        engine = engines.create(on_sqlite(tmp_path / "it.db"))

        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY)"))
            modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
        engine.dispose()

        assert modes == dict.fromkeys(("it.db", "it.db-shm", "it.db-wal"), "0o600")


@pytest.mark.skipif(not SERVICES, reason="these are settings of PostgreSQL's sessions; SQLite has none")
class TestPostgres:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [("statement_timeout", "10s"), ("lock_timeout", "10s"), ("timezone", "UTC"), ("application_name", "carboy")],
    )
    def test_is_prepared(self, world: World, setting: str, value: str) -> None:
        with db.engine().connect() as connection:
            assert connection.execute(text(f"SHOW {setting}")).scalar() == value


class TestIsAway:
    @pytest.mark.parametrize(
        "error",
        [
            sqlite3.OperationalError("database is locked"),
            sqlite3.OperationalError("unable to open database file"),
            sqlite3.OperationalError("database or disk is full"),
            sqlite3.OperationalError("attempt to write a readonly database"),
            psycopg.OperationalError("connection refused"),
            psycopg.InterfaceError("the connection is closed"),
            psycopg.errors.AdminShutdown(),
            psycopg.errors.CannotConnectNow(),
            psycopg.errors.TooManyConnections(),
            psycopg.errors.QueryCanceled(),
            psycopg.errors.LockNotAvailable(),
            psycopg.errors.DeadlockDetected(),
            psycopg.errors.SerializationFailure(),
            psycopg.errors.DiskFull(),
            psycopg.errors.ReadOnlySqlTransaction(),
            psycopg.errors.IdleInTransactionSessionTimeout(),
            psycopg.DatabaseError("lost synchronization with server"),
        ],
        ids=repr,
    )
    def test_is_true_of_a_database_that_cannot_answer_now(self, error: Exception) -> None:
        assert engines.is_away(error)

    @pytest.mark.parametrize(
        "error",
        [
            sqlite3.OperationalError("no such table: users"),
            sqlite3.OperationalError("no such column: nmae"),
            sqlite3.IntegrityError("UNIQUE constraint failed"),
            sqlite3.ProgrammingError("Incorrect number of bindings supplied"),
            psycopg.errors.UndefinedTable(),
            psycopg.errors.SyntaxError(),
            psycopg.errors.UniqueViolation(),
            psycopg.errors.InsufficientPrivilege(),
            psycopg.errors.InFailedSqlTransaction(),
            psycopg.ProgrammingError("the query has 1 placeholder but 0 parameters were passed"),
            ValueError(),
            None,
        ],
        ids=repr,
    )
    def test_is_false_of_a_fault_of_ours(self, error: Exception | None) -> None:
        assert not engines.is_away(error)


@pytest.mark.skipif(not SERVICES, reason="SQLite has no connection to lose")
class TestLostConnection:
    def test_that_comes_back_to_the_pool_is_no_error(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        lent = db.engine().raw_connection()
        lent.cursor().execute("BEGIN")
        lost = lent.driver_connection
        assert isinstance(lost, psycopg.Connection)

        lost.pgconn.finish()
        lent.close()

        assert [record for record in caplog.records if record.levelname == "ERROR"] == []
        db.ping()
