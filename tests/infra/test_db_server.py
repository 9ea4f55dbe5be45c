"""What only a database server can do to its clients: end their statements and their connections."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from app.core.errors import Unavailable
from app.infra import db
from app.infra.query import Query
from tests.api import Api, a_user
from tests.infra.things import Thing, checked_out, counted_connections, exhausted_pool, store, stored, unit_ending_in
from tests.world import SERVICES, World

pytestmark = pytest.mark.skipif(not SERVICES, reason="SQLite has no server that could end statements or connections")

BOUND_SECONDS = 10.0
LOCK = 4711
OURS = "FROM pg_stat_activity WHERE application_name = 'carboy' AND datname = current_database()"


class Operator:
    """Somebody at the server, who may end the connections of others."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def does(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.encode()).fetchall()

    def waits_for(self, statement: str) -> tuple[Any, ...]:
        """Return the first row of a SELECT, as soon as there is one."""
        ends = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < ends:
            found = self.does(statement)
            if found:
                return found[0]
        raise AssertionError(f"no row of {statement}")

    def ends_connections(self) -> int:
        """End every connection of the service, and tell how many they were once they are gone."""
        ended = self.does(f"SELECT pg_terminate_backend(pid) {OURS}")
        self.waits_for(f"SELECT 'gone' WHERE NOT EXISTS (SELECT {OURS})")
        return len(ended)


@pytest.fixture
def operator(world: World) -> Iterator[Operator]:
    url = world.settings.database.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True, application_name="operator") as connection:
        yield Operator(connection)


@pytest.fixture
def pooled(world: World) -> Api:
    """The API with a pool of three open connections."""
    api = Api(world.with_settings(database_pool_size=3))
    with exhausted_pool():
        return api


class TestStatement:
    def test_that_waits_too_long_is_unavailable(self, world: World, things: None, operator: Operator) -> None:
        world.with_settings(database_statement_seconds=0.05)
        operator.does(f"SELECT pg_advisory_lock({LOCK})")

        with unit_ending_in(Unavailable):
            db.session().add(Thing(name="gone"))
            db.session().execute(select(func.pg_advisory_xact_lock(LOCK)))

        assert stored() == []

    def test_that_runs_too_long_is_unavailable_to_prepared_queries(self, world: World) -> None:
        world.with_settings(database_statement_seconds=0.05)

        with pytest.raises(Unavailable):
            Query(select(func.pg_sleep(BOUND_SECONDS).label("slept"))).rows()

        assert checked_out() == 0


class TestClosedConnections:
    @pytest.mark.parametrize("path", ["/api/v1/visits", "/auth/me", "/api/v1/users", "/readiness", "/"])
    def test_are_replaced_and_no_read_notices(self, pooled: Api, operator: Operator, path: str) -> None:
        admin = pooled.as_(a_user(roles=("admin",)))

        ended = operator.ends_connections()
        answers = [admin.get(path).status_code for _ in range(ended + 1)]

        assert ended == 3
        assert set(answers) == {200}

    def test_are_replaced_and_no_write_notices(self, pooled: Api, operator: Operator) -> None:
        people = [a_user() for _ in range(4)]

        ended = operator.ends_connections()
        answers = [pooled.sign_in(person).status_code for person in people]

        assert ended == 3
        assert set(answers) == {200}

    def test_fail_the_unit_that_was_using_one_and_nothing_else(self, things: None, operator: Operator) -> None:
        with unit_ending_in(Unavailable):
            db.session().add(Thing(name="lamp"))
            db.session().flush()
            operator.ends_connections()
            db.session().add(Thing(name="second"))
        store("chair")

        assert stored() == ["chair"]
        assert checked_out() == 0

    def test_still_let_a_unit_store_its_refusal(self, things: None, operator: Operator) -> None:
        with unit_ending_in(Unavailable):
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))
            db.session().add(Thing(name="lamp"))
            db.session().flush()
            operator.ends_connections()

        assert stored() == ["kept"]

    def test_let_a_prepared_query_ask_once_more(self, things: None, operator: Operator) -> None:
        store("lamp")
        query = Query(select(Thing.name, func.pg_advisory_xact_lock_shared(LOCK).label("lock")))
        operator.does(f"SELECT pg_advisory_lock({LOCK})")

        with ThreadPoolExecutor(1) as thread, counted_connections() as taken:
            asked = thread.submit(query.rows)
            (first,) = operator.waits_for(f"SELECT pid {OURS} AND wait_event = 'advisory'")
            operator.does(f"SELECT pg_terminate_backend({first})")
            operator.waits_for(f"SELECT pid {OURS} AND wait_event = 'advisory' AND pid <> {first}")
            operator.does(f"SELECT pg_advisory_unlock({LOCK})")
            rows = asked.result(BOUND_SECONDS)

        assert [row.name for row in rows] == ["lamp"]
        assert len(taken) == 2

    def test_fail_a_prepared_query_that_loses_a_second_one(self, things: None, operator: Operator) -> None:
        query = Query(select(func.pg_advisory_xact_lock_shared(LOCK).label("lock")))
        operator.does(f"SELECT pg_advisory_lock({LOCK})")

        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(query.rows)
            (first,) = operator.waits_for(f"SELECT pid {OURS} AND wait_event = 'advisory'")
            operator.does(f"SELECT pg_terminate_backend({first})")
            (other,) = operator.waits_for(f"SELECT pid {OURS} AND wait_event = 'advisory' AND pid <> {first}")
            operator.does(f"SELECT pg_terminate_backend({other})")

            assert isinstance(asked.exception(BOUND_SECONDS), Unavailable)
