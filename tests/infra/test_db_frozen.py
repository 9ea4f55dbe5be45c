"""A database server that hangs, and so does not end its statements itself."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.core.errors import Unavailable
from app.infra import db, engines, patience, pulse
from tests import servers
from tests.world import SERVICES, World

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="SQLite has no server that could hang"),
    pytest.mark.skipif(servers.find_postgres() is None, reason="no PostgreSQL server found"),
]

BOUND_SECONDS = 8.0


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    with servers.postgres() as found:
        yield found


@pytest.fixture
def there(world: World, server: servers.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The process asks a server of its own, which every test may freeze, and soon loses patience."""
    monkeypatch.setattr(pulse, "_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(pulse, "_ANSWER_SECONDS", 0.4)
    world.with_settings(database_url=server.url)
    db.ping()
    yield world
    server.thaw()
    world.come_back()


def refused_in() -> float:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        db.ping()
    return time.monotonic() - started


def test_is_given_up_after_a_while_and_works_again_without_a_restart(
    world: World, server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_GRACE_SECONDS", 0.2)
    world.with_settings(database_url=server.url, database_statement_seconds=0.2)
    db.ping()
    server.freeze()
    took = refused_in()
    server.thaw()

    db.ping()

    world.come_back()
    assert took < BOUND_SECONDS


def test_is_found_out_long_before_a_statement_is_given_up(there: World, server: servers.Server) -> None:
    server.freeze()

    took = refused_in()

    assert took < pulse._SILENCE_SECONDS + pulse._ANSWER_SECONDS + 1
    assert took < there.settings.database_statement_seconds / 2


def test_refuses_at_once_who_comes_later(there: World, server: servers.Server) -> None:
    server.freeze()
    refused_in()

    took = max(refused_in() for _ in range(5))

    assert took < 0.1


def test_is_not_taken_for_frozen_while_one_statement_is_slow(there: World) -> None:
    with db.engine().connect() as connection:
        slept = connection.execute(text("SELECT 1 FROM pg_sleep(1)")).scalar()

    assert slept == 1


def test_is_waited_for_by_a_migration(there: World, server: servers.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.engine().connect() as connection:
        patience.wait_without_end(connection.connection.dbapi_connection)
        db.ping()
        server.freeze()
        refused_in()
        server.thaw()

        assert connection.execute(text("SELECT 1")).scalar() == 1
