"""GET /health of a real server under load, whatever of its neighbours is down, frozen or killed."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import servers
from tests.live import LiveServer, running, wait_until
from tests.serving.http import Reply, send, send_json
from tests.serving.outages import crowd, freeze, health_milliseconds, kill, median, mend, stop, timed
from tests.world import SERVICES

pytestmark = [
    pytest.mark.serving,
    pytest.mark.slow,
    pytest.mark.skipif(not SERVICES, reason="needs servers to stop, which belong to the services world"),
    pytest.mark.skipif(servers.find_postgres() is None, reason="no PostgreSQL server found"),
    pytest.mark.skipif(servers.find_redis() is None, reason="no Redis server found"),
]

THREADS, WAITING = 4, 12
CLIENTS = 40
"""More than may work and wait together."""

BOUND_MS = 50.0
"""Or three times what it takes with everything up: the machine may be busy with more than this test."""

READINESS_SECONDS = 2.0 + 1.0
"""The limit of a check, and a margin for a machine that is busy with the load."""


@dataclass(frozen=True)
class House:
    """A server and its neighbours."""

    server: LiveServer
    database: servers.Server
    redis: servers.Server
    broker: servers.Server
    token: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as stack:
        database = stack.enter_context(servers.postgres())
        redis, broker = (stack.enter_context(servers.redis()) for _ in range(2))
        hanging = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # a mail server that never answers
        server = stack.enter_context(
            running(
                Path(tmp_path_factory.mktemp("health")),
                DATABASE_URL=database.url,
                REDIS_URL=redis.url,
                CELERY_BROKER_URL=broker.url,
                MAIL_URL=f"smtp://127.0.0.1:{hanging.getsockname()[1]}",
                THREADS=str(THREADS),
                WAITING=str(WAITING),
                DATABASE_STATEMENT_SECONDS="1",
                DATABASE_POOL_SECONDS="1",
                EMAIL_VERIFICATION="optional",
            )
        )
        yield House(server, database, redis, broker, token(server.url))


def token(url: str) -> str:
    """Register somebody and sign in."""
    person = {"username": "ada", "password": "Correct-Horse-7-Battery"}
    send_json(f"{url}/auth/register", {**person, "email": "ada@engines.test"})
    return str(send_json(f"{url}/auth/login", person).json["data"]["access_token"])


def down(url: str) -> set[str]:
    """Return what readiness says is down."""
    checks = send(f"{url}/readiness").json["checks"]
    return {name for name, check in checks.items() if check["status"] == "down"}


OUTAGES = [
    pytest.param(("database",), freeze, id="database frozen"),
    pytest.param(("database",), stop, id="database stopped"),
    pytest.param(("redis",), freeze, id="redis frozen"),
    pytest.param(("database", "redis"), kill, id="database and redis killed"),
    pytest.param(("broker",), freeze, id="broker frozen"),
    pytest.param(("database", "redis", "broker"), freeze, id="all frozen"),
]


class TestHealth:
    @pytest.mark.parametrize(("names", "harm"), OUTAGES)
    def test_answers_at_once_and_readiness_tells_the_truth(
        self, house: House, names: tuple[str, ...], harm: Callable[[servers.Server], None]
    ) -> None:
        url = house.server.url
        neighbours = [getattr(house, name) for name in names]

        def ask() -> Reply:
            return send(f"{url}/auth/me", Authorization=f"Bearer {house.token}")

        with crowd(ask, clients=CLIENTS) as seen:
            wait_until(lambda: seen[200] >= CLIENTS, lambda: str(seen))
            usual = median(health_milliseconds(url))
            for neighbour in neighbours:
                harm(neighbour)
            took = health_milliseconds(url)
            wait_until(lambda: seen[503] > 0 or "database" not in names, lambda: str(seen))
            took += health_milliseconds(url)
            readiness, seconds = timed(lambda: send(f"{url}/readiness"))
            for neighbour in neighbours:
                mend(neighbour)
            wait_until(lambda: down(url) == {"mail"}, lambda: house.server.output[-3000:])
            recovered = ask().status

        assert median(took) < max(BOUND_MS, 3 * usual), (usual, took)
        assert readiness.status == (503 if "database" in names else 200)
        assert readiness.json["status"] == ("not_ready" if "database" in names else "degraded")
        checks = readiness.json["checks"]
        assert {name for name in ("database", "redis", "queue") if checks[name]["status"] == "down"} == {
            "queue" if name == "broker" else name for name in names
        }
        assert seconds < READINESS_SECONDS
        assert recovered == 200
        assert house.server.process.poll() is None
        assert set(seen) <= {200, 503}
