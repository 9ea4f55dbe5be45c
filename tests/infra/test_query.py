from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from app.infra import db
from app.infra.query import Query, json_list
from tests.infra.things import Thing, checked_out, counted_connections, store
from tests.world import World, counted_statements

pytestmark = pytest.mark.usefixtures("things")

NOON = datetime(2026, 1, 9, 12, 0, 0, 123456, UTC)
REF = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
FULL = {"name": "lamp", "number": 7, "ref": REF, "at": NOON, "data": {"a": [1]}, "is_new": True, "raw": b"\0\xff"}
EMPTY = {"name": "void", "number": 0, "ref": None, "at": None, "data": None, "is_new": None, "raw": None}

_ALL = Query(select(*Thing.__table__.c).order_by(Thing.id))
_NAMED = Query(select(Thing.name, Thing.number).where(Thing.name == bindparam("name")))


class TestRows:
    @pytest.mark.parametrize("stored", [FULL, EMPTY], ids=["full", "empty"])
    def test_hold_what_was_stored(self, stored: dict[str, object]) -> None:
        with db.unit_of_work():
            db.session().add(Thing(**stored))

        (row,) = _ALL.rows()

        assert {name: getattr(row, name) for name in stored} == stored
        assert {name: type(getattr(row, name)) for name in stored} == {name: type(stored[name]) for name in stored}

    @pytest.mark.parametrize("column", ["ref", "at", "is_new", "raw", "number"])
    def test_are_found_by_a_value_of_any_type(self, column: str) -> None:
        wanted = getattr(Thing, column)
        query = Query(select(Thing.name).where(wanted == bindparam("value", type_=wanted.type)))
        with db.unit_of_work():
            db.session().add_all([Thing(**EMPTY), Thing(**FULL)])

        rows = query.rows(value=FULL[column])

        assert [row.name for row in rows] == ["lamp"]

    def test_keep_the_constants_of_the_statement(self) -> None:
        store("lamp", "chair")

        rows = Query(select(Thing.name).where(Thing.name == "chair")).rows()

        assert [row.name for row in rows] == ["chair"]

    def test_take_a_value_for_what_it_is(self) -> None:
        store("lamp")

        assert _NAMED.rows(name="x' OR '1'='1") == []

    def test_are_a_list_of_none_where_there_is_nothing(self) -> None:
        assert _ALL.rows() == []

    def test_tell_their_names_only(self) -> None:
        store("lamp")

        (row,) = _NAMED.rows(name="lamp")

        assert row._fields == ("name", "number")


class TestFirst:
    def test_is_the_first_row(self) -> None:
        store("lamp", "chair")

        row = _ALL.first()

        assert row is not None
        assert row.name == "lamp"

    def test_is_none_where_there_is_nothing(self) -> None:
        assert _NAMED.first(name="nobody") is None


class TestJsonList:
    def test_gathers_a_column(self) -> None:
        store("lamp", "chair")

        (row,) = Query(select(json_list(Thing.name).label("names"))).rows()

        assert sorted(row.names) == ["chair", "lamp"]

    def test_of_nothing_is_nothing(self) -> None:
        (row,) = Query(select(json_list(Thing.name).label("names"))).rows()

        assert not row.names


class TestQuery:
    def test_costs_one_statement_on_one_connection(self) -> None:
        with counted_statements() as seen, counted_connections() as taken:
            _NAMED.rows(name="lamp")

        assert len(seen) == 1
        assert len(taken) == 1

    def test_sees_what_is_committed_only(self) -> None:
        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.session().flush()

            rows = _NAMED.rows(name="lamp")

        assert rows == []

    def test_works_on_the_database_that_is_connected_now(self, world: World) -> None:
        store("lamp")
        before = _NAMED.rows(name="lamp")

        world.with_settings()

        assert _NAMED.rows(name="lamp") == before

    def test_is_asked_by_many_threads_at_once(self) -> None:
        names = [f"thing{number}" for number in range(40)]
        store(*names)

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda name: _NAMED.rows(name=name)[0].name, names))

        assert found == names

    def test_gives_its_connection_back(self) -> None:
        _ALL.rows()

        assert checked_out() == 0

    def test_gives_its_connection_back_when_it_fails(self) -> None:
        Thing.__table__.drop(db.engine())  # type: ignore[attr-defined]  # a Table, for models

        with pytest.raises(DBAPIError):
            _ALL.rows()

        assert checked_out() == 0

    def test_replaces_a_connection_that_died_in_the_pool(self) -> None:
        store("lamp")
        connection = db.engine().raw_connection()
        dying = connection.driver_connection
        connection.close()
        assert dying is not None

        dying.close()

        assert [row.name for row in _NAMED.rows(name="lamp")] == ["lamp"]

    def test_shows_no_value_when_it_fails(self, world: World) -> None:
        Thing.__table__.drop(db.engine())  # type: ignore[attr-defined]  # a Table, for models

        with pytest.raises(DBAPIError) as failure:
            _NAMED.rows(name="a-secret-name")

        assert "a-secret-name" not in str(failure.value)
