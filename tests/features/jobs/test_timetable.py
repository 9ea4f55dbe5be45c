"""The timetable: what is due runs once, however many processes look."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.features.jobs import service as jobs
from app.features.jobs import timetable
from app.features.jobs.models import Entry
from app.features.mail import service as mail
from app.features.mail.models import Mail
from app.infra import db, queue
from app.infra.queue import Task
from app.main import features
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.world import World


@pytest.fixture
def ran(world: World) -> Iterator[list[str]]:
    """Two tasks of our own in the place of all others; what ran is noted."""
    noted: list[str] = []
    queue.register(
        [
            Task("hourly", lambda: noted.append("hourly"), timedelta(hours=1)),
            Task("daily", lambda: noted.append("daily"), timedelta(days=1)),
            Task("asked.for", lambda: noted.append("asked.for")),
        ]
    )
    yield noted
    queue.register(features.TASKS)


def entries() -> dict[str, Entry]:
    with db.unit_of_work(writes=False):
        return {entry.task: entry for entry in db.session().scalars(select(Entry))}


class TestRunDue:
    def test_runs_what_never_ran(self, ran: list[str], clock: Clock) -> None:
        jobs.run_due()

        assert ran == ["hourly", "daily"]
        assert entries()["daily"].ran_at == clock.now()
        assert entries()["daily"].due_at == clock.now() + timedelta(days=1)

    def test_runs_nothing_before_its_time(self, ran: list[str], clock: Clock) -> None:
        jobs.run_due()
        clock.advance(minutes=59)

        jobs.run_due()

        assert ran == ["hourly", "daily"]

    def test_runs_each_again_when_its_time_has_come(self, ran: list[str], clock: Clock) -> None:
        jobs.run_due()
        clock.advance(hours=1)

        jobs.run_due()
        jobs.run_due()

        assert ran == ["hourly", "daily", "hourly"]

    def test_runs_it_once_of_many_who_look_at_once(self, ran: list[str], clock: Clock) -> None:
        at_once(8, lambda _: jobs.run_due())
        clock.advance(days=1)
        at_once(8, lambda _: jobs.run_due())

        assert Counter(ran) == {"hourly": 2, "daily": 2}

    def test_is_claimed_by_one_of_many_who_all_saw_that_it_is_due(self, world: World, clock: Clock) -> None:
        first = at_once(8, lambda _: timetable._claim("hourly", timedelta(hours=1)))
        clock.advance(hours=1)
        later = at_once(8, lambda _: timetable._claim("hourly", timedelta(hours=1)))

        assert (sum(first), sum(later)) == (1, 1)

    def test_goes_on_after_one_that_fails(self, ran: list[str], clock: Clock, lines: list[bytes]) -> None:
        queue._tasks["hourly"] = Task("hourly", lambda: 1 / 0, timedelta(hours=1))

        jobs.run_due()

        assert ran == ["daily"]
        assert b"a task failed" in b"".join(lines)

    def test_believes_no_time_beyond_a_period(self, ran: list[str], clock: Clock) -> None:
        clock.advance(days=400)
        jobs.run_due()
        clock.advance(days=-400)

        jobs.run_due()

        assert Counter(ran) == {"hourly": 2, "daily": 2}


class TestOurs:
    def test_are_all_on_the_timetable(self, world: World) -> None:
        named = {task.name for task in queue.timetabled()}

        assert {"mail.deliver", "mail.forget_old", "auth.forget_old_guesses", "idempotency.forget_old"} <= named

    @pytest.mark.parametrize("task", [one for one in features.TASKS if one.every], ids=lambda one: one.name)
    def test_each_runs(self, world: World, task: Task, lines: list[bytes]) -> None:
        queue.perform(task.name)

        assert b"a task failed" not in b"".join(lines)

    def test_send_what_was_forgotten(self, world: World, clock: Clock) -> None:
        with db.unit_of_work():
            mail.send("test", to="ada@engines.test")

        jobs.run_due()

        with db.unit_of_work(writes=False):
            assert list(db.session().scalars(select(Mail.status))) == ["sent"]


class TestFailing:
    @pytest.fixture
    def fails(self, ran: list[str], clock: Clock) -> None:
        queue._tasks["daily"] = Task("daily", lambda: 1 / 0, timedelta(days=1))
        jobs.run_due()

    @pytest.mark.usefixtures("fails")
    def test_is_seen_and_tried_again_soon(self, clock: Clock) -> None:
        entry = entries()["daily"]

        assert (entry.failures, entry.last_error) == (1, "ZeroDivisionError")
        assert 60 <= (entry.due_at - clock.now()).total_seconds() <= 75

    @pytest.mark.usefixtures("fails")
    def test_in_a_row_is_counted_and_forgotten_with_success(self, ran: list[str], clock: Clock) -> None:
        clock.advance(minutes=2)
        jobs.run_due()
        twice = entries()["daily"].failures
        queue._tasks["daily"] = Task("daily", lambda: None, timedelta(days=1))
        clock.advance(minutes=3)
        jobs.run_due()

        entry = entries()["daily"]
        assert (twice, entry.failures, entry.last_error) == (2, 0, None)
        assert entry.due_at == clock.now() + timedelta(days=1)

    def test_by_dying_is_made_up_for_after_the_lease(self, ran: list[str], clock: Clock) -> None:
        def dies() -> None:
            raise KeyboardInterrupt

        queue._tasks["daily"] = Task("daily", dies, timedelta(days=1))
        with pytest.raises(KeyboardInterrupt):
            jobs.run_due()
        queue._tasks["daily"] = Task("daily", lambda: ran.append("daily"), timedelta(days=1))

        jobs.run_due()
        early = ran.count("daily")
        clock.advance(minutes=15)
        jobs.run_due()

        assert (early, ran.count("daily")) == (0, 1)

    @pytest.mark.usefixtures("fails")
    def test_or_overdue_is_told(self, clock: Clock) -> None:
        clock.advance(minutes=31)

        with db.unit_of_work(writes=False):
            found = {one.task: one for one in jobs.timetable()}

        assert found["daily"].failures == 1
        assert 29 * 60 <= found["daily"].overdue_seconds <= 30 * 60
        assert found["hourly"].overdue_seconds == 0
