"""Jobs: asked for with a change, done once, tried again, dead and visible."""

import json
import sys
import time
from asyncio import CancelledError
from datetime import timedelta
from threading import Event, Thread
from uuid import uuid4

import pytest
from sqlalchemy import LargeBinary, func, insert, select, type_coerce

from app.core import origin
from app.core.origin import Origin
from app.features.audit import service as audit
from app.features.audit.models import AuditEvent
from app.features.jobs import service as jobs
from app.features.jobs import working
from app.features.jobs.models import Job
from app.features.jobs.service import Declared
from app.infra import db, queue
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.features.jobs.conftest import Declare, enqueue, rows, the_row
from tests.world import World, counted_statements

SECONDS = 20.0


def note(mark: str = "done") -> None:
    """Have an effect on the database that can be counted."""
    audit.record("made_up", detail={"mark": mark})


def effects() -> int:
    with db.unit_of_work(writes=False):
        found = db.session().scalar(select(func.count()).where(AuditEvent.event == "made_up"))
        return int(found or 0)


class TestEnqueue:
    def test_is_part_of_the_transaction(self, declare: Declare) -> None:
        declare(note)

        def failing() -> None:
            with db.unit_of_work():
                jobs.enqueue("made.up")
                raise LookupError

        with pytest.raises(LookupError):
            failing()

        assert rows() == []

    def test_keeps_the_arguments_encrypted_and_empties_them_at_the_end(self, declare: Declare) -> None:
        heard: list[str] = []

        def listen(mark: str) -> None:
            heard.append(mark)

        declare(listen)
        enqueue(mark="canary-of-arguments")

        with db.unit_of_work(writes=False):
            stored = db.session().connection().exec_driver_sql("SELECT arguments FROM jobs").scalar_one()
        jobs.work()

        assert b"canary" not in bytes(stored)
        assert heard == ["canary-of-arguments"]
        assert the_row().arguments is None

    def test_refuses_what_is_no_job(self, declare: Declare) -> None:
        with db.unit_of_work(), pytest.raises(LookupError):
            jobs.enqueue("nobody.knows")

    def test_refuses_arguments_that_are_not_its_own(self, declare: Declare) -> None:
        declare(note)

        with db.unit_of_work(), pytest.raises(TypeError):
            jobs.enqueue("made.up", {"other": 1})

    def test_asks_once_for_what_is_to_be_done_once_until_it_is_done(self, declare: Declare) -> None:
        declare(note)

        with db.unit_of_work():
            asked = [jobs.enqueue("made.up", once="the same") is not None for _ in range(2)]
        jobs.work()
        with db.unit_of_work():
            asked.append(jobs.enqueue("made.up", once="the same") is not None)

        assert asked == [True, False, True]

    def test_waits_as_long_as_it_is_told(self, declare: Declare, clock: Clock) -> None:
        declare(note)
        with db.unit_of_work():
            jobs.enqueue("made.up", after=timedelta(minutes=5))

        jobs.work()
        early = effects()
        clock.advance(minutes=5)
        jobs.work()

        assert (early, effects()) == (0, 1)


class TestDone:
    def test_is_stored_with_the_effect(self, declare: Declare, clock: Clock) -> None:
        declare(note)
        enqueue()

        jobs.work()

        row = the_row()
        assert (row.status, row.attempts, row.finished_at, effects()) == ("done", 1, clock.now(), 1)

    def test_happens_as_work_of_whoever_asked(self, declare: Declare) -> None:
        heard: list[tuple[str, str | None, int | None, str]] = []

        def listen() -> None:
            now = origin.current()
            heard.append((now.request_id, now.trace_id, now.user_id, jobs.key()))

        declare(listen)
        token = origin.begin(Origin("request-of-ada", trace_id="a" * 32, user_id=7))
        job = enqueue()
        origin.end(token)

        jobs.work()

        assert heard == [("request-of-ada", "a" * 32, 7, job)]

    def test_is_done_by_one_of_many_at_once(self, declare: Declare) -> None:
        declare(note)
        for _ in range(20):
            enqueue()

        at_once(6, lambda _: jobs.work())

        assert ({row.status for row in rows()}, effects()) == ({"done"}, 20)

    def test_has_no_key_outside(self, world: World) -> None:
        with pytest.raises(RuntimeError):
            jobs.key()


class TestFailure:
    def test_leaves_no_effect_and_is_tried_again_later(
        self, declare: Declare, clock: Clock, lines: list[bytes]
    ) -> None:
        def fail() -> None:
            note()
            raise ZeroDivisionError("with a secret in it")

        declare(fail)
        enqueue()

        jobs.work()

        row = the_row()
        assert (row.status, row.attempts, row.last_error, effects()) == ("pending", 1, "ZeroDivisionError", 0)
        assert 10 <= (row.due_at - clock.now()).total_seconds() <= 12.5
        assert [json.loads(line)["extra"]["attempt"] for line in lines if b"a job failed" in line] == [1]

    def test_waits_longer_each_time_and_is_dead_in_the_end(self, declare: Declare, clock: Clock) -> None:
        declare(lambda: 1 / 0)
        enqueue()
        waits = []

        for _ in range(3):
            jobs.work()
            waits.append((the_row().due_at - clock.now()).total_seconds())
            clock.advance(minutes=1)
        jobs.work()

        row = the_row()
        assert (row.status, row.attempts, row.last_error) == ("dead", 3, "ZeroDivisionError")
        assert 10 <= waits[0] <= 12.5
        assert 20 <= waits[1] <= 25

    def test_that_is_hopeless_is_dead_at_once(self, declare: Declare) -> None:
        def give_up() -> None:
            raise jobs.Hopeless

        declare(give_up)
        enqueue()

        jobs.work()

        assert (the_row().status, the_row().attempts) == ("dead", 1)

    def test_holds_up_no_other_job(self, declare: Declare) -> None:
        declare(lambda mark: 1 / mark)
        enqueue(mark=0)
        enqueue(mark=1)

        jobs.work()

        assert [row.status for row in rows()] == ["pending", "done"]

    def test_to_end_in_time_is_one(self, declare: Declare, clock: Clock) -> None:
        declare(lambda: Event().wait(SECONDS), limit=0.05)
        enqueue()

        began = time.monotonic()
        jobs.work()

        assert (the_row().status, the_row().last_error) == ("pending", "TookTooLong")
        assert time.monotonic() - began < SECONDS / 2

    def test_to_end_in_time_is_one_beside_requests_too(self, declare: Declare) -> None:
        def run() -> None:
            note()
            while True:
                time.monotonic()

        declare(run, limit=0.05)
        enqueue()

        thread = Thread(target=jobs.work, daemon=True)
        thread.start()
        thread.join(SECONDS)

        assert (the_row().status, the_row().last_error, effects()) == ("pending", "TookTooLong", 0)

    @pytest.mark.parametrize("error", [CancelledError, GeneratorExit])
    def test_may_be_of_any_kind(self, declare: Declare, error: type[BaseException]) -> None:
        def fail() -> None:
            note()
            raise error

        declare(fail)
        enqueue()

        jobs.work()

        assert (the_row().status, the_row().last_error, effects()) == ("pending", error.__name__, 0)

    def test_that_ends_its_process_is_one_before_it_does(self, declare: Declare) -> None:
        declare(sys.exit)
        enqueue()

        with pytest.raises(SystemExit):
            jobs.work()

        assert (the_row().status, the_row().last_error) == ("pending", "SystemExit")


class TestPoison:
    """Rows that this release cannot read are dead in the end, and stop nobody."""

    def poison(self, **values: object) -> None:
        row = {"id": uuid4(), "task": "made.up", "arguments": b"{}", "status": "pending", "attempts": 0}
        with db.unit_of_work():
            db.session().execute(insert(Job).values({**row, **values}))

    @pytest.mark.parametrize(
        ("values", "error"),
        [
            ({"arguments": b"{"}, "JSONDecodeError"),
            ({"arguments": b"[1]"}, "TypeError"),
        ],
        ids=["no JSON", "no object"],
    )
    def test_is_dead_after_its_attempts(
        self, declare: Declare, clock: Clock, values: dict[str, object], error: str
    ) -> None:
        declare(note)
        self.poison(**values)

        for _ in range(9):
            jobs.work()
            clock.advance(hours=2)

        assert (the_row().status, the_row().last_error, effects()) == ("dead", error, 0)

    @pytest.mark.parametrize(
        ("values", "error"),
        [
            ({"task": "of.another.release"}, "UnknownTask"),
            ({"arguments": b'{"unknown": 1}'}, "UnknownArguments"),
        ],
        ids=["unknown task", "unknown argument"],
    )
    def test_of_another_release_is_left_to_it_for_a_day_and_then_dead(
        self, declare: Declare, clock: Clock, values: dict[str, object], error: str
    ) -> None:
        declare(note)
        self.poison(**values)
        seen = []

        for _ in range(16):
            jobs.work()
            seen.append((the_row().status, the_row().attempts))
            clock.advance(hours=2)

        assert seen[:12] == [("pending", 0)] * 12
        assert (the_row().status, the_row().last_error, effects()) == ("dead", error, 0)

    @pytest.mark.parametrize(
        "values",
        [{"task": "of.another.release"}, {"arguments": b'{"mark": "new", "since": "now"}'}],
        ids=["unknown task", "unknown argument"],
    )
    def test_of_another_release_is_done_once_that_comes(
        self, declare: Declare, clock: Clock, values: dict[str, object]
    ) -> None:
        declare(note)
        self.poison(**values)
        jobs.work()

        jobs.register([Declared(the_row().task, lambda mark="", since="": note(), attempts=1)])
        clock.advance(minutes=1)
        jobs.work()

        assert (the_row().status, the_row().attempts, effects()) == ("done", 1, 1)

    def test_of_another_release_wakes_nobody(self, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
        declare(note)
        self.poison(task="of.another.release")
        woken: list[str] = []
        monkeypatch.setattr(queue, "wake", woken.append)

        jobs.sweep()

        assert woken == []

    def test_that_nobody_can_decrypt_holds_up_no_other(self, declare: Declare) -> None:
        declare(note)
        self.poison(arguments=type_coerce(b"sealed by nobody", LargeBinary))
        enqueue()

        jobs.work()

        with db.unit_of_work(writes=False):
            found = db.session().execute(select(Job.status, Job.last_error).order_by(Job.status)).all()
        assert [tuple(row) for row in found] == [("done", None), ("pending", "Undecryptable")]


class TestLease:
    def test_keeps_others_off_until_it_is_over(self, declare: Declare, clock: Clock) -> None:
        declare(note)
        enqueue()
        working._take()

        jobs.work()
        held = effects()
        clock.advance(seconds=66)
        jobs.work()

        assert (held, effects(), the_row().attempts) == (0, 1, 2)

    def test_that_was_lost_meanwhile_leaves_no_effect(self, declare: Declare, clock: Clock) -> None:
        begun, go_on, first = Event(), Event(), list[bool]()

        def slow() -> None:
            note()
            if not first:
                first.append(True)
                begun.set()
                assert go_on.wait(SECONDS)

        declare(slow)
        enqueue()
        slow_one = Thread(target=jobs.work_next)
        slow_one.start()
        assert begun.wait(SECONDS)
        clock.advance(seconds=66)
        jobs.work()
        during = effects()
        go_on.set()
        slow_one.join(SECONDS)

        assert (during, effects(), the_row().status, the_row().attempts) == (1, 1, "done", 2)

    def test_that_another_holds_now_leaves_no_effect(self, declare: Declare, clock: Clock) -> None:
        def slow() -> None:
            note()
            clock.advance(seconds=66)
            assert at_once(1, lambda _: working._take())

        declare(slow)
        enqueue()

        jobs.work_next()

        assert (effects(), the_row().status, the_row().attempts) == (0, "running", 2)

    def test_of_a_job_that_kills_whoever_takes_it_ends_in_death(self, declare: Declare, clock: Clock) -> None:
        declare(note, attempts=2)
        enqueue()

        for _ in range(3):
            working._take()
            clock.advance(minutes=5)

        assert (the_row().status, the_row().last_error, the_row().attempts) == ("dead", "WorkerDied", 2)


class TestSweep:
    def test_wakes_somebody_if_something_is_due(self, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
        woken: list[str] = []
        monkeypatch.setattr(queue, "wake", woken.append)
        declare(note)

        jobs.sweep()
        enqueue()
        jobs.sweep()

        assert woken == [jobs.WORK]

    def test_of_nothing_costs_one_statement_and_locks_nothing(self, world: World) -> None:
        with counted_statements() as seen:
            jobs.sweep()
            jobs.work()

        assert [statement.split()[0] for statement in seen] == ["SELECT", "SELECT"]
        assert not world.dirty
