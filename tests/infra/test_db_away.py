"""A database that is away, locked, full or restarted: 503 with Retry-After, and well again without a restart."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.errors import Unavailable
from app.infra import db, engines
from tests.api import Answer, Api, a_user
from tests.infra.things import checked_out, exhausted_pool
from tests.live import free_port
from tests.world import SERVICES, World


def nowhere(_: Path) -> str:
    return f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"


def no_file(folder: Path) -> str:
    return f"sqlite:///{folder}"


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status_code, answer.code) == (503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1


class TestDatabaseAway:
    @pytest.fixture(params=[nowhere, no_file], ids=["no server", "no file"])
    def away(self, request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Api:
        place: Callable[[Path], str] = request.param
        return Api(world.with_settings(database_url=place(tmp_path)))

    @pytest.mark.parametrize("path", ["/api/v1/visits", "/.well-known/jwks.json"])
    def test_is_unavailable_to_reads(self, away: Api, path: str) -> None:
        answer = away.get(path, headers={"Authorization": "Bearer what"})

        assert_unavailable(answer)

    def test_is_unavailable_to_writes(self, away: Api) -> None:
        answer = away.post("/auth/login", {"username": "grace", "password": "SecurePass123!"})

        assert_unavailable(answer)

    def test_tells_clients_nothing_of_the_inside(self, away: Api) -> None:
        text = away.get("/api/v1/visits").text.casefold()

        assert [word for word in ("sql", "127.0.0.1:", "nobody", "connection") if word in text] == []

    def test_leaves_health_alone(self, away: Api) -> None:
        assert away.get("/health").status_code == 200

    def test_is_not_ready(self, away: Api) -> None:
        answer = away.get("/readiness")

        assert answer.status_code == 503
        assert answer.json["checks"]["database"]["status"] == "down"

    def test_loses_a_visit_and_shows_the_page(self, away: Api) -> None:
        assert away.get("/", headers={"Accept": "text/html"}).status_code == 200

    def test_is_named_to_commands(self, away: Api) -> None:
        with pytest.raises(Unavailable):
            db.ping()

    def test_leaves_no_connection_behind(self, away: Api) -> None:
        away.get("/api/v1/visits")

        assert checked_out() == 0


class TestPool:
    @pytest.fixture
    def small(self, world: World) -> Api:
        return Api(world.with_settings(database_pool_size=2, database_pool_seconds=0.01))

    def test_that_is_exhausted_is_unavailable(self, small: Api) -> None:
        with exhausted_pool():
            answer = small.get("/api/v1/visits")

        assert_unavailable(answer)
        assert answer.json["error"]["message"] == "Too many requests at once. Try again in a moment."

    def test_that_is_exhausted_is_unavailable_to_prepared_queries(self, small: Api) -> None:
        person = small.as_(a_user())

        with exhausted_pool():
            answer = person.get("/auth/me")

        assert_unavailable(answer)

    def test_that_is_exhausted_is_waited_for_only_as_long_as_the_line_left(self, world: World) -> None:
        world.with_settings(database_pool_size=2, database_pool_seconds=30)
        started = time.monotonic()

        with exhausted_pool(), db.in_time(waited=29.95), pytest.raises(Unavailable):
            db.ping()

        assert time.monotonic() - started < 5

    def test_recovers_as_soon_as_a_connection_is_free(self, small: Api) -> None:
        with exhausted_pool():
            small.get("/api/v1/visits")

        assert small.get("/api/v1/visits").status_code == 200


@pytest.mark.skipif(SERVICES, reason="SQLite locks the whole file; PostgreSQL's locks are in test_db_server.py")
class TestLockedFile:
    @pytest.fixture
    def locked(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
        """The API while somebody else writes for longer than it waits."""
        with monkeypatch.context() as impatient:
            impatient.setattr(engines, "_BUSY_SECONDS", 0)
            api = Api(world.with_settings())
            other = sqlite3.connect(world.var / "carboy.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            yield api
            other.close()

    def test_is_unavailable_to_writes(self, locked: Api) -> None:
        answer = locked.post("/auth/login", {"username": "grace", "password": "SecurePass123!"})

        assert_unavailable(answer)

    def test_still_reads(self, locked: Api) -> None:
        assert locked.get("/api/v1/visits").status_code == 200

    def test_loses_a_visit_and_shows_the_page(self, locked: Api) -> None:
        assert locked.get("/").status_code == 200
