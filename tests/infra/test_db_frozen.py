"""A database server that hangs, and so does not end its statements itself."""

import time

import pytest

from app.core.errors import Unavailable
from app.infra import db, engines
from tests import servers
from tests.world import SERVICES, World

pytestmark = [
    pytest.mark.skipif(not SERVICES, reason="SQLite has no server that could hang"),
    pytest.mark.skipif(servers.find_postgres() is None, reason="no PostgreSQL server found"),
]

BOUND_SECONDS = 8.0


def test_is_given_up_and_works_again_without_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_GRACE_SECONDS", 0.2)
    with servers.postgres() as server:
        world.with_settings(database_url=server.url, database_statement_seconds=0.2)
        db.ping()
        server.freeze()
        started = time.monotonic()
        with pytest.raises(Unavailable):
            db.ping()
        took = time.monotonic() - started
        server.thaw()

        db.ping()

    world.come_back()
    assert took < BOUND_SECONDS
