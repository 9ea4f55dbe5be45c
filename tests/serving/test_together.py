"""Five instances that start at the same moment: one migrates, none fails."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.infra import migrations
from tests.live import ROOT, environment, start, wait_until_it_answers
from tests.migrations.databases import empty_database
from tests.serving.http import send
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="several instances share PostgreSQL, not a file"),
]

INSTANCES = 5
SECRET = "a key of the tests, thirty-two characters and more"
COUNTED = """
CREATE TABLE moves (version text);
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO moves VALUES (NEW.version_num); RETURN NEW; END $$;
CREATE TRIGGER moved AFTER INSERT OR UPDATE ON alembic_version FOR EACH ROW EXECUTE FUNCTION note_move();
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    with empty_database(tmp_path) as url:
        yield url


def start_together(folder: Path, url: str) -> list[tuple[int, int]]:
    """Start them; return what each answered at /readiness, and how it ended."""
    settings = {"DATABASE_URL": url, "SECRET_KEY": SECRET, "THREADS": "2", "REPLICAS": str(INSTANCES)}
    servers = []
    for number in range(INSTANCES):
        var = folder / str(number)
        var.mkdir()
        servers.append(start(var, **settings))
    try:
        for server in servers:
            wait_until_it_answers(server)
        ready = [send(f"{server.url}/readiness").status for server in servers]
    finally:
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        codes = [server.process.wait(60) for server in servers]
    return list(zip(ready, codes, strict=True))


def found(url: str, query: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(query).fetchall()


class TestFiveInstances:
    def test_start_on_an_empty_database(self, database: str, tmp_path: Path) -> None:
        ends = start_together(tmp_path, database)

        assert ends == [(200, 0)] * INSTANCES
        assert found(database, b"SELECT version_num FROM alembic_version") == [(migrations.head(),)]
        assert found(database, b"SELECT name FROM roles ORDER BY name") == [("admin",), ("user",)]
        assert found(database, b"SELECT count(*) FROM signing_keys") == [(2,)]

    def test_start_on_an_outdated_database_and_move_it_once(self, database: str, tmp_path: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), "db", "upgrade", "0001"],
            cwd=tmp_path,
            env=environment(tmp_path, DATABASE_URL=database, SECRET_KEY=SECRET),
            check=True,
            capture_output=True,
        )
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as operator:
            operator.execute(COUNTED.encode())

        ends = start_together(tmp_path, database)

        moves = found(database, b"SELECT version FROM moves")
        assert ends == [(200, 0)] * INSTANCES
        assert moves[-1] == (migrations.head(),)
        assert len(moves) == len(set(moves)) == len(list((migrations.FOLDER / "versions").glob("0*.py"))) - 1
