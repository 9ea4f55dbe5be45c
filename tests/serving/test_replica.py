"""Reads from a real streaming replica that lags, freezes, dies and returns, behind a real server with two workers."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from app.core.config import Settings
from app.infra import replica
from tests import servers
from tests.journeys.test_restart import call
from tests.live import ROOT, LiveServer, environment, running, wait_until
from tests.world import PASSWORD, SERVICES, settings

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="SQLite has no replicas"),
]

LONG, SHORT = "60", "1"
BOUND_SECONDS = 8.0
"""In which everything here must be noticed: a worker asks twice a second and waits one for an answer."""


@dataclass
class Pair:
    """A database with its replica."""

    primary: servers.Server
    replica: servers.Server

    def settings(self, lag: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.primary.url,
            "DATABASE_REPLICA_URL": self.replica.url,
            "DATABASE_REPLICA_LAG_SECONDS": lag,
            "DATABASE_POOL_SIZE": "4",
            "WORKERS": "2",
            "PUBLIC_URL": "http://carboy.test",
            "METRICS_TOKEN": "a token of the tests for figures",
        }

    def pause(self) -> None:
        ask(self.replica, "SELECT pg_wal_replay_pause()")

    def resume(self) -> None:
        ask(self.replica, "SELECT pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with servers.postgres() as primary, servers.replica(primary) as replica:
        yield Pair(primary, replica)


@pytest.fixture(scope="module")
def folder(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate, and make two administrators: one who writes, and one who only reads."""
    var = tmp_path_factory.mktemp("replica")
    for words in (["db", "upgrade"], *(["create-admin", *names(name)] for name in ("writer", "reader"))):
        command = [sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"), *words]
        subprocess.run(command, cwd=var, env=environment(var, **pair.settings(LONG)), check=True, timeout=60)
    return var


@pytest.fixture(scope="module")
def patient(pair: Pair, folder: Path) -> Iterator[LiveServer]:
    """Serve with a replica that may lag a minute."""
    with running(folder, **pair.settings(LONG)) as started:
        yield started


@pytest.fixture(scope="module")
def strict(pair: Pair, folder: Path) -> Iterator[LiveServer]:
    """Serve with a replica that may lag a second."""
    with running(folder, **pair.settings(SHORT)) as started:
        yield started


def names(name: str) -> list[str]:
    return ["--username", name, "--email", f"{name}@carboy.test", "--password", PASSWORD]


def chosen(primary: str, replica: str, var: Path) -> Settings:
    return settings(var, database_url=primary, database_replica_url=replica)


def ask(server: servers.Server, statement: str) -> None:
    with psycopg.connect(make_url(server.url).set(drivername="postgresql").render_as_string(), autocommit=True) as one:
        one.execute(statement.encode())


def sign_in(server: LiveServer, name: str) -> str:
    status, tokens = call(server, "POST", "/auth/login", {"username": name, "password": PASSWORD})
    assert status == 200
    return str(tokens["access_token"])


def a_reader(server: LiveServer, pair: Pair) -> str:
    """Sign somebody in who counts as having written nothing lately."""
    token = sign_in(server, "reader")
    ask(pair.primary, "DELETE FROM recent_writers")
    return token


def make_role(server: LiveServer, token: str, name: str) -> None:
    body = {"name": name, "description": "", "permissions": []}
    assert call(server, "POST", "/api/v1/roles", body, token)[0] == 201


def roles(server: LiveServer, token: str) -> set[str]:
    status, found = call(server, "GET", "/api/v1/roles?per_page=100", token=token)
    assert status == 200
    return {role["name"] for role in found}


def from_replica(server: LiveServer) -> float:
    """Return how many reads the replica answered so far."""
    _, _ = call(server, "GET", "/health")
    command = ["curl", "-s", "-H", "Authorization: Bearer a token of the tests for figures", f"{server.url}/metrics"]
    page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    return float(
        next(line for line in page.splitlines() if line.startswith("database_replica_reads_total ")).split()[1]
    )


def eventually(holds: Callable[[], bool]) -> None:
    wait_until(holds, lambda: "not within the bound", seconds=BOUND_SECONDS)


def is_read(server: LiveServer, token: str) -> bool:
    """Tell whether one more read goes to the replica."""
    before = from_replica(server)
    roles(server, token)
    return from_replica(server) > before


class TestOwnWrites:
    @pytest.fixture
    def server(self, patient: LiveServer) -> LiveServer:
        return patient

    @pytest.fixture
    def reader(self, server: LiveServer, pair: Pair) -> Iterator[str]:
        """Sign somebody in who counts as having written nothing, and let the replica fall behind."""
        token = a_reader(server, pair)
        eventually(lambda: is_read(server, token))
        pair.pause()
        yield token
        pair.resume()

    def test_are_seen_by_their_writer_at_once_and_by_others_once_the_replica_has_them(
        self, server: LiveServer, pair: Pair, reader: str
    ) -> None:
        writer, lagged = sign_in(server, "writer"), 0
        for number in range(10):
            make_role(server, writer, f"own-{number}")
            assert f"own-{number}" in roles(server, writer)
            lagged += "own-0" not in roles(server, reader)

        pair.resume()

        assert lagged, "the replica was not read"  # on a busy machine it may count as frozen now and then

        eventually(lambda: "own-9" in roles(server, reader))

    def test_leave_nobody_in_whose_session_ended(self, server: LiveServer, reader: str) -> None:
        status, _ = call(server, "POST", "/auth/logout", token=reader)

        assert (status, call(server, "GET", "/api/v1/roles", token=reader)[0]) == (204, 401)

    @pytest.mark.parametrize("path", ["/api/v1/roles/1", "/api/v1/users/1", "/auth/oidc/identities", "/auth/sessions"])
    def test_of_nobody_are_in_a_single_thing_from_the_replica(self, server: LiveServer, reader: str, path: str) -> None:
        before = from_replica(server)

        eventually(lambda: call(server, "GET", path, token=reader)[0] == 200 and from_replica(server) > before)

    @pytest.mark.usefixtures("reader")
    def test_of_a_sign_in_are_seen_too(self, server: LiveServer) -> None:
        _, sessions = call(server, "GET", "/auth/sessions", token=sign_in(server, "reader"))

        assert any(session["current"] for session in sessions)


class TestReplica:
    @pytest.fixture
    def server(self, strict: LiveServer) -> LiveServer:
        return strict

    @pytest.fixture
    def reader(self, server: LiveServer, pair: Pair) -> str:
        token = a_reader(server, pair)
        eventually(lambda: is_read(server, token))
        return token

    def test_that_lags_beyond_the_bound_is_not_read(self, server: LiveServer, pair: Pair, reader: str) -> None:
        pair.pause()
        try:
            make_role(server, sign_in(server, "writer"), "late")
            eventually(lambda: "late" in roles(server, reader))
            eventually(lambda: not any(is_read(server, reader) for _ in range(4)))  # by either worker
        finally:
            pair.resume()

        eventually(lambda: is_read(server, reader))

    @pytest.mark.parametrize("way", ["kill", "freeze", "stop"])
    def test_that_fails_costs_no_read_more_than_its_time_limit(
        self, server: LiveServer, pair: Pair, reader: str, way: str
    ) -> None:
        getattr(pair.replica, way)()
        slowest, ends = 0.0, time.monotonic() + 4
        while time.monotonic() < ends:
            began = time.monotonic()
            roles(server, reader)
            slowest = max(slowest, time.monotonic() - began)
        is_read_while_away = is_read(server, reader)
        (pair.replica.thaw if way == "freeze" else pair.replica.start)()

        assert not is_read_while_away
        assert slowest < 3
        eventually(lambda: is_read(server, reader))

    def test_that_was_promoted_is_not_read(self, pair: Pair, folder: Path) -> None:
        with servers.replica(pair.primary) as promoted:
            other = Pair(pair.primary, promoted)
            with running(folder, **other.settings(LONG)) as server:
                token = a_reader(server, pair)
                eventually(lambda: is_read(server, token))
                ask(promoted, "SELECT pg_promote()")

                eventually(lambda: not is_read(server, token))


class TestDoctor:
    def test_is_content_with_a_replica(self, pair: Pair, tmp_path: Path) -> None:
        assert not replica.complaint(chosen(pair.primary.url, pair.replica.url, tmp_path))

    @pytest.mark.parametrize(
        ("server", "name", "complaint"),
        [
            ("replica", "template1", "it is a replica of another database"),
            ("primary", "postgres", "it is no replica: it takes writes of its own"),
            ("replica", "missing", "it does not answer (OperationalError)"),
        ],
    )
    def test_complains_of_what_is_none(
        self, pair: Pair, tmp_path: Path, server: str, name: str, complaint: str
    ) -> None:
        url = getattr(pair, server).url.replace("/postgres", f"/{name}")

        assert replica.complaint(chosen(pair.primary.url, url, tmp_path)) == complaint
