from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Failure, NotFound
from app.infra import db
from tests.api import Api
from tests.infra.things import Thing, checked_out, counted_connections, store, stored, unit_ending_in
from tests.world import World, counted_statements

pytestmark = pytest.mark.usefixtures("things")


class TestUnitOfWork:
    def test_commits_when_it_returns(self) -> None:
        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))

        assert stored() == ["lamp"]

    @pytest.mark.parametrize("error", [ValueError, NotFound, KeyboardInterrupt, SystemExit])
    def test_rolls_back_when_it_raises(self, error: type[BaseException]) -> None:
        with unit_ending_in(error):
            db.session().add(Thing(name="lamp"))
            db.session().flush()
            raise error

        assert stored() == []

    def test_does_not_show_others_what_is_not_committed(self) -> None:
        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.session().flush()

            seen = stored()

        assert seen == []

    def test_is_refused_inside_of_another(self) -> None:
        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))

            with pytest.raises(RuntimeError, match="already open"), db.unit_of_work():
                db.session().add(Thing(name="chair"))

        assert stored() == ["lamp"]

    def test_can_be_opened_after_one_that_failed(self) -> None:
        with pytest.raises(ValueError, match="broken"), db.unit_of_work():
            raise ValueError("broken")

        store("lamp")

        assert stored() == ["lamp"]

    def test_opens_no_connection_when_nothing_is_asked(self) -> None:
        with counted_connections() as taken, db.unit_of_work():
            pass

        assert taken == []

    def test_takes_one_connection_and_gives_it_back(self) -> None:
        with counted_connections() as taken, db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.session().flush()
            db.session().scalars(select(Thing)).all()

        assert len(taken) == 1
        assert checked_out() == 0

    def test_gives_its_connection_back_when_it_fails(self) -> None:
        with unit_ending_in(Conflict):
            db.session().add_all([Thing(name="lamp"), Thing(name="lamp")])

        assert checked_out() == 0

    def test_has_no_session_outside(self) -> None:
        with pytest.raises(RuntimeError, match="no unit of work is open"):
            db.session()

    def test_of_one_thread_is_not_that_of_another(self) -> None:
        both_are_inside = Barrier(2, timeout=10)

        def work() -> Session:
            with db.unit_of_work(writes=False):
                both_are_inside.wait()
                return db.session()

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.submit(work), pool.submit(work)

        assert one.result() is not other.result()

    def test_waits_for_other_writers_instead_of_failing(self) -> None:
        store("counter")
        start = Barrier(8, timeout=10)

        def increment() -> None:
            start.wait()
            with db.unit_of_work():
                db.session().scalars(select(Thing)).all()  # a read before the write, where SQLite cannot wait later
                db.session().execute(update(Thing).values(number=Thing.number + 1))

        with ThreadPoolExecutor(8) as pool:
            for task in [pool.submit(increment) for _ in range(8)]:
                task.result()

        with db.unit_of_work(writes=False):
            assert db.session().scalars(select(Thing.number)).one() == 8


class TestReadingUnit:
    def test_refuses_to_flush(self) -> None:
        with (
            pytest.raises(RuntimeError, match=r"a safe request does not write; use db\.apart"),
            db.unit_of_work(writes=False),
        ):
            db.session().add(Thing(name="lamp"))

        assert stored() == []

    def test_refuses_to_change_what_it_read(self) -> None:
        store("lamp")

        with pytest.raises(RuntimeError, match="does not write"), db.unit_of_work(writes=False):
            db.session().scalars(select(Thing)).one().name = "chair"

        assert stored() == ["lamp"]

    def test_begins_no_transaction(self) -> None:
        with counted_statements() as seen, db.unit_of_work(writes=False):
            db.session().scalars(select(Thing.name)).all()

        assert len(seen) == 1
        assert seen[0].startswith("SELECT")

    def test_may_write_apart(self) -> None:
        with db.unit_of_work(writes=False):
            with db.apart() as session:
                session.add(Thing(name="lamp"))
            seen = db.session().scalars(select(Thing.name)).all()

        assert seen == ["lamp"]


class TestRequests:
    @pytest.mark.parametrize("path", ["/health", "/api/v1/users", "/nowhere", "/openapi.json"])
    def test_open_no_connection_where_they_need_none(self, api: Api, path: str) -> None:
        with counted_connections() as taken:
            api.get(path)

        assert taken == []


class TestFailures:
    def test_a_broken_rule_is_a_conflict(self) -> None:
        store("lamp")

        with unit_ending_in(Conflict):
            db.session().add(Thing(name="lamp"))

    def test_a_broken_rule_is_a_conflict_wherever_it_shows(self) -> None:
        store("lamp")

        with unit_ending_in(Conflict):
            db.session().add(Thing(name="lamp"))
            db.session().flush()

    def test_a_conflict_tells_no_value(self, lines: list[bytes]) -> None:
        store("a-secret-name")

        with pytest.raises(Conflict) as refused, db.unit_of_work():
            db.session().add(Thing(name="a-secret-name"))

        assert "a-secret-name" not in str(refused.value)
        assert b"refused by a constraint" in b"".join(lines)
        assert b"a-secret-name" not in b"".join(lines)

    def test_a_fault_of_ours_is_not_called_a_failure(self) -> None:
        with pytest.raises(DBAPIError) as fault, db.unit_of_work():
            db.session().execute(text("SELECT * FROM nowhere"))

        assert not isinstance(fault.value, Failure)

    def test_a_failure_of_the_service_passes_as_it_is(self) -> None:
        refusal = NotFound("No such lamp.")

        with pytest.raises(NotFound) as refused, db.unit_of_work():
            raise refusal

        assert refused.value is refusal


class TestPing:
    def test_asks_without_a_transaction(self, world: World) -> None:
        with counted_statements() as seen:
            db.ping()

        assert seen == ["SELECT 1"]

    def test_works_inside_of_a_unit_that_writes(self) -> None:
        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.session().flush()

            db.ping()

        assert stored() == ["lamp"]
