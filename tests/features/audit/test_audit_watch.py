"""The chain is verified on its own, a stretch each time, and everybody is told what was found."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app.features.audit import service as audit
from app.features.audit import tasks, watch
from app.features.audit.models import AuditWatch
from app.infra import db, queue
from tests.api import Api, a_role, a_user
from tests.conftest import Clock
from tests.features.audit.test_audit_chain import INSERTION, tamper
from tests.features.audit.test_audit_retention import numbers
from tests.features.between import coming_between
from tests.world import World

CHANGED = "UPDATE audit_events SET outcome = 'failure' WHERE seq = 2"


def watched() -> audit.Watch:
    with db.unit_of_work(writes=False):
        return audit.watched()


def is_between_rounds() -> bool:
    with db.unit_of_work(writes=False):
        return db.session().scalar(select(AuditWatch.seq)) == 0


def a_round() -> audit.Watch:
    """Look until the present round ends, or a fault is found."""
    return next(found for found in iter(audit.look, None) if found.fault or is_between_rounds())


@pytest.fixture(autouse=True)
def rows(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> int:
    """Leave old rows, of which a look takes in four, read three and one; return their number."""
    monkeypatch.setattr(watch, "ROWS", 4)
    monkeypatch.setattr(watch, "_BATCH", 3)
    clock.at -= timedelta(days=800)
    for _ in range(10):
        a_role()
    Api(world.app).as_(a_user())
    clock.advance(days=800)
    return len(numbers())


class TestRounds:
    def test_nothing_is_known_before_the_first_look(self) -> None:
        assert watched() == audit.Watch(fault=None, verified_at=None)

    def test_end_after_as_many_looks_as_there_are_stretches(self, rows: int, clock: Clock) -> None:
        looks = [audit.look() for _ in range(rows // 4 + 1)]

        assert [look.verified_at for look in looks] == [None] * (rows // 4) + [clock.at]
        assert watched() == audit.Watch(fault=None, verified_at=clock.at)

    def test_begin_again_and_tell_of_the_last_that_ended(self, clock: Clock) -> None:
        first = a_round().verified_at
        clock.advance(hours=1)

        assert audit.look().verified_at == first
        assert a_round().verified_at == clock.at

    def test_end_at_rows_that_came_meanwhile(self, rows: int, clock: Clock) -> None:
        for _ in range(rows // 4):
            audit.look()
        for _ in range(3):
            a_role()

        assert a_round() == audit.Watch(fault=None, verified_at=clock.at)

    def test_end_where_nothing_was_ever_recorded(self, world: World, clock: Clock) -> None:
        world.reset()

        assert audit.look() == audit.Watch(fault=None, verified_at=clock.at)

    def test_see_no_fault_in_rows_that_are_let_go_meanwhile(self, rows: int, clock: Clock) -> None:
        audit.look()

        with coming_between("after_cursor_execute", ("FROM audit_head",), audit.prune) as pruned:
            found = audit.look()

        assert pruned.is_set()
        assert min(numbers()) > rows
        assert found.fault is None
        assert a_round().verified_at == clock.at


class TestFaults:
    @pytest.mark.parametrize(
        ("statement", "fault"),
        [
            (CHANGED, "row 2 was changed"),
            ("UPDATE audit_events SET outcome = 'failure' WHERE seq = 10", "row 10 was changed"),
            ("DELETE FROM audit_events WHERE seq = 7", "row 7 is missing"),
            ("DELETE FROM audit_events WHERE seq > 8", "the rows after 8 are missing"),
            ("DELETE FROM audit_events", "the rows after 0 are missing"),
            ("DELETE FROM audit_head", "the head is missing"),
            ("UPDATE audit_head SET hash = 'x'", "the rows after {rows} are missing"),
            (INSERTION.format(seq="MAX(seq) + 1"), "row {more} was changed"),
            (INSERTION.format(seq="MIN(seq) - 1"), "a row is before the kept part, which begins with row 1"),
        ],
    )
    @pytest.mark.parametrize("verified", [False, True], ids=["at first", "after a round"])
    def test_are_found_wherever_they_are(self, rows: int, statement: str, fault: str, *, verified: bool) -> None:
        before = a_round if verified else watched
        before()

        tamper(statement)

        assert a_round().fault == fault.format(rows=rows, more=rows + 1)

    def test_behind_the_last_look_are_found_in_the_next_round(self) -> None:
        audit.look()
        tamper(CHANGED)

        assert [a_round().fault, a_round().fault] == [None, "row 2 was changed"]

    def test_stay_and_end_no_round(self, clock: Clock) -> None:
        verified_at = a_round().verified_at
        tamper(CHANGED)
        clock.advance(hours=1)

        found = [a_round() for _ in range(3)]

        assert found == [audit.Watch("row 2 was changed", verified_at)] * 3
        assert watched() == found[0]

    def test_end_when_the_chain_is_whole_again(self, clock: Clock) -> None:
        tamper(CHANGED)
        a_round()
        tamper("UPDATE audit_events SET outcome = 'success' WHERE seq = 2")

        assert a_round() == audit.Watch(fault=None, verified_at=clock.at)

    def test_are_logged_once(self, lines: list[bytes]) -> None:
        tamper(CHANGED)

        a_round()

        told = [json.loads(line) for line in lines if b"audit chain is broken" in line]
        assert [(line["level"], line["extra"]["fault"]) for line in told] == [("ERROR", "row 2 was changed")]


class TestTask:
    def test_is_on_the_timetable_and_looks(self, clock: Clock) -> None:
        watch_task = next(task for task in queue.timetabled() if task.name == tasks.watch.name)

        for _ in range(10):
            queue.perform(watch_task.name)

        assert watched().verified_at == clock.at

    def test_keeps_one_row(self) -> None:
        a_round()

        with db.unit_of_work(writes=False):
            assert db.session().scalar(text("SELECT count(*) FROM audit_watch")) == 1
