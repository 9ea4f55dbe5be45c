"""Two instances behind the shipped nginx, restarted one after the other while clients never rest."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.live import LiveServer, free_port, start, wait_until, wait_until_it_answers
from tests.migrations.databases import empty_database
from tests.serving.clients import PASSWORD, at_work
from tests.serving.conftest import Kind
from tests.serving.http import send, send_form, send_json
from tests.serving.nginx import NAME, Nginx, needs_nginx, needs_openssl, nginx
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    needs_nginx,
    needs_openssl,
    pytest.mark.skipif(not SERVICES, reason="several instances share PostgreSQL and Redis, not a file"),
]

ADMIN = {"username": "first-admin", "email": "admin@carboy.test", "password": PASSWORD}
CLIENTS = int(os.environ.get("CARBOY_TEST_CLIENTS", "6"))
ROUNDS = int(os.environ.get("CARBOY_TEST_ROLLS", "1"))
DRAIN_SECONDS = "2"
FASTER = {"keepalive_timeout 5s;": "keepalive_timeout 1s;", "fail_timeout=2s": "fail_timeout=1s"}


class Fleet:
    """Two instances that share everything but their process and folder."""

    def __init__(self, folder: Path, kind: Kind, url: str) -> None:
        self.ports = [free_port(), free_port()]
        self._folder, self._kind, self._url = folder, kind, url
        self.servers: list[LiveServer] = [self._start(port) for port in self.ports]

    def _start(self, port: int) -> LiveServer:
        var = self._folder / str(port)
        var.mkdir(exist_ok=True)
        settings = {
            "PORT": str(port),
            "DATABASE_URL": self._url,
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "REDIS_SECONDS": "5",
            "SECRET_KEY": "a key of the tests, thirty-two characters and more",
            "PUBLIC_URL": f"https://{NAME}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "DRAIN_SECONDS": DRAIN_SECONDS,
            "WORKERS": "2",
            "REPLICAS": "2",
            "EMAIL_VERIFICATION": "optional",
        }
        server = start(var, self._kind, **settings)
        wait_until_it_answers(server)
        return server

    def roll(self) -> None:
        """Restart one after the other, as an orchestrator does: the next once this one is ready."""
        for _ in range(ROUNDS):
            for place, port in enumerate(self.ports):
                assert self.servers[place].stop(signal.SIGTERM) == 0
                self.servers[place] = self._start(port)
                wait_until(lambda: send(f"{self.servers[place].url}/readiness").status == 200)  # noqa: B023 -- now

    def stop(self) -> None:
        for server in self.servers:
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGTERM)
        for server in self.servers:
            server.process.wait(60)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    with empty_database(tmp_path) as url:
        yield url


@pytest.fixture
def fleet(tmp_path: Path, kind: Kind, database: str) -> Iterator[Fleet]:
    started = Fleet(tmp_path, kind, database)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def proxy(tmp_path: Path, fleet: Fleet) -> Iterator[Nginx]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    with nginx(folder, fleet.ports, **FASTER) as started:
        yield started


def token_of_the_administrator(fleet: Fleet) -> str:
    first = fleet.servers[-1]
    send_form(f"{first.url}/setup", code=first.setup_code, **ADMIN)
    signed_in = send_json(f"{first.url}/auth/login", {"username": ADMIN["username"], "password": PASSWORD})
    return str(signed_in.json["data"]["access_token"])


def visits(fleet: Fleet) -> int:
    return int(send(f"{fleet.servers[0].url}/api/v1/visits").json["data"]["total"])


def test_a_rolling_restart_loses_and_doubles_nothing(fleet: Fleet, proxy: Nginx, database: str) -> None:
    token = token_of_the_administrator(fleet)
    before = visits(fleet)

    books = at_work(proxy.port, token, CLIENTS, fleet.roll)

    made = sorted(name for book in books for name in book.made)
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        there = connection.execute("SELECT username FROM users WHERE username LIKE 'u-%' ORDER BY username").fetchall()
    print({kind: sum(book.answers[kind] for book in books) for book in books for kind in book.answers})  # noqa: T201 -- the figures
    assert [failure for book in books for failure in book.failures] == []
    assert made == [name for (name,) in there]
    assert sum(book.visits for book in books) == visits(fleet) - before
    assert len(made) > CLIENTS
