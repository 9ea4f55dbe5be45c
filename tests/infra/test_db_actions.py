import json

import pytest

from app.core.errors import Conflict, NotFound
from app.infra import db
from tests.infra.things import Thing, store, stored, unit_ending_in

pytestmark = pytest.mark.usefixtures("things")


class TestBeforeCommit:
    def test_belongs_to_the_transaction(self) -> None:
        with db.unit_of_work():
            db.before_commit(lambda: db.session().add(Thing(name="last")))
            db.session().add(Thing(name="first"))
            db.session().flush()

        assert stored() == ["first", "last"]

    def test_fails_the_whole_unit(self) -> None:
        def fail() -> None:
            raise NotFound

        with unit_ending_in(NotFound):
            db.session().add(Thing(name="lamp"))
            db.before_commit(fail)

        assert stored() == []

    def test_is_left_out_when_the_unit_fails(self) -> None:
        done: list[str] = []

        with unit_ending_in(NotFound):
            db.before_commit(lambda: done.append("it"))
            raise NotFound

        assert done == []


class TestAfterCommit:
    def test_runs_once_the_data_is_stored(self) -> None:
        seen: list[list[str]] = []

        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.after_commit(lambda: seen.append(stored()))

        assert seen == [["lamp"]]

    def test_runs_in_the_order_that_was_asked_for(self) -> None:
        done: list[int] = []

        with db.unit_of_work():
            db.after_commit(lambda: done.append(1))
            db.after_commit(lambda: done.append(2))

        assert done == [1, 2]

    def test_does_not_run_after_a_rollback(self) -> None:
        done: list[str] = []

        with unit_ending_in(NotFound):
            db.after_commit(lambda: done.append("it"))
            raise NotFound

        assert done == []

    def test_does_not_run_when_the_commit_itself_fails(self) -> None:
        done: list[str] = []
        store("lamp")

        with unit_ending_in(Conflict):
            db.session().add(Thing(name="lamp"))
            db.after_commit(lambda: done.append("it"))

        assert done == []

    def test_does_not_run_after_a_savepoint(self) -> None:
        done: list[str] = []

        with unit_ending_in(NotFound):
            db.after_commit(lambda: done.append("it"))
            with db.session().begin_nested():
                db.session().add(Thing(name="lamp"))
            raise NotFound

        assert done == []

    def test_that_fails_is_logged_and_fails_nothing(self, lines: list[bytes]) -> None:
        done: list[str] = []

        def fail() -> None:
            raise ZeroDivisionError

        with db.unit_of_work():
            db.session().add(Thing(name="lamp"))
            db.after_commit(fail)
            db.after_commit(lambda: done.append("the next"))

        logged = json.loads(lines[-1])
        assert (stored(), done) == (["lamp"], ["the next"])
        assert logged["level"] == "ERROR"
        assert "ZeroDivisionError" in logged["extra"]["exception"]

    def test_may_open_a_unit_of_its_own(self) -> None:
        with db.unit_of_work():
            db.after_commit(lambda: store("chair"))

        assert stored() == ["chair"]

    def test_needs_a_unit(self) -> None:
        with pytest.raises(RuntimeError, match="no unit of work is open"):
            db.after_commit(stored)


class TestAfterRollback:
    def test_stores_what_must_survive_a_refusal(self) -> None:
        with unit_ending_in(NotFound):
            db.session().add(Thing(name="gone"))
            db.session().flush()
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))
            raise NotFound

        assert stored() == ["kept"]

    def test_stores_it_when_the_commit_fails(self) -> None:
        store("lamp")

        with unit_ending_in(Conflict):
            db.session().add(Thing(name="lamp"))
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))

        assert stored() == ["lamp", "kept"]

    def test_stores_it_also_from_a_unit_that_only_reads(self) -> None:
        with unit_ending_in(NotFound, writes=False):
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))
            raise NotFound

        assert stored() == ["kept"]

    def test_does_not_run_after_a_commit(self) -> None:
        with db.unit_of_work():
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))

        assert stored() == []

    def test_that_fails_hides_neither_the_refusal_nor_the_next(self, lines: list[bytes]) -> None:
        def fail() -> None:
            db.session().add(Thing(name="half"))
            raise ZeroDivisionError

        with unit_ending_in(NotFound):
            db.after_rollback(fail)
            db.after_rollback(lambda: db.session().add(Thing(name="kept")))
            raise NotFound

        assert stored() == ["kept"]
        assert b"ZeroDivisionError" in b"".join(lines)


class TestApart:
    def test_stays_when_the_unit_around_it_rolls_back(self) -> None:
        with unit_ending_in(NotFound):
            with db.apart() as session:
                session.add(Thing(name="kept"))
            db.session().add(Thing(name="gone"))
            raise NotFound

        assert stored() == ["kept"]

    def test_that_fails_leaves_the_unit_around_it_usable(self) -> None:
        store("lamp")

        with db.unit_of_work():
            with pytest.raises(Conflict), db.apart() as session:
                session.add(Thing(name="lamp"))
            db.session().add(Thing(name="chair"))

        assert stored() == ["lamp", "chair"]

    def test_gives_the_unit_around_it_back(self) -> None:
        with db.unit_of_work():
            outer = db.session()
            with db.apart() as inner:
                pass

            assert db.session() is outer
            assert inner is not outer

    def test_runs_its_own_actions_at_its_own_commit(self) -> None:
        done: list[str] = []

        with db.unit_of_work():
            with db.apart():
                db.after_commit(lambda: done.append("inner"))
            done.append("outer")

        assert done == ["inner", "outer"]

    def test_works_without_a_unit_around_it(self) -> None:
        with db.apart() as session:
            session.add(Thing(name="lamp"))

        assert stored() == ["lamp"]


class TestRehearsal:
    def test_leaves_nothing_of_what_is_done_inside_and_all_around_it(self) -> None:
        done: list[str] = []

        with db.unit_of_work():
            db.session().add(Thing(name="before"))
            with db.rehearsal():
                db.session().add(Thing(name="inside"))
                db.before_commit(lambda: db.session().add(Thing(name="at its end")))
                db.after_commit(lambda: done.append("inside"))
            db.after_commit(lambda: done.append("around"))
            db.session().add(Thing(name="after"))

        assert sorted(stored()) == ["after", "before"]
        assert done == ["around"]

    def test_does_all_that_a_commit_would_do(self) -> None:
        done: list[str] = []

        with db.unit_of_work(), db.rehearsal():
            db.before_commit(lambda: done.append("at its end"))

        assert done == ["at its end"]

    def test_lets_a_failure_through_and_undoes_what_was_done(self) -> None:
        with unit_ending_in(NotFound), db.rehearsal():
            db.session().add(Thing(name="inside"))
            raise NotFound

        assert stored() == []
