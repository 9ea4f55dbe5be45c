"""flask jobs: what operators see of jobs, and do about dead ones."""

from uuid import uuid4

import pytest
from flask.testing import FlaskCliRunner

from app.features.jobs import records
from app.features.jobs import service as jobs
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.features.jobs.conftest import Declare, enqueue, rows, the_row
from tests.world import World


@pytest.fixture
def run(world: World) -> FlaskCliRunner:
    return FlaskCliRunner(world.app)


def a_dead_job(declare: Declare) -> str:
    declare(lambda canary="": 1 / 0, attempts=1)
    job = enqueue(canary="canary-of-arguments")
    jobs.work()
    return job


class TestList:
    def test_shows_every_job_and_no_arguments(self, run: FlaskCliRunner, declare: Declare) -> None:
        dead = a_dead_job(declare)
        enqueue()

        result = run.invoke(args=["jobs", "list"])

        first, second = result.output.splitlines()
        assert first.startswith(f"{dead}  dead     made.up  ")
        assert first.endswith("tried 1  ZeroDivisionError")
        assert second.startswith(f"{rows()[1].id}  pending  made.up  ")
        assert "canary" not in result.output

    def test_shows_those_of_a_status_or_a_task(self, run: FlaskCliRunner, declare: Declare) -> None:
        dead = a_dead_job(declare)
        enqueue()

        assert run.invoke(args=["jobs", "dead"]).output.split()[0] == dead
        assert run.invoke(args=["jobs", "list", "--status", "pending"]).output.split()[0] == str(rows()[1].id)
        assert run.invoke(args=["jobs", "list", "--task", "other"]).output == "None.\n"

    def test_says_that_there_may_be_more(
        self, run: FlaskCliRunner, declare: Declare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "SHOWN", 1)
        a_dead_job(declare)

        assert "there may be more" in run.invoke(args=["jobs", "dead"]).stderr


class TestRetry:
    def test_gives_a_dead_job_its_attempts_back(self, run: FlaskCliRunner, declare: Declare) -> None:
        dead = a_dead_job(declare)
        declare(lambda canary: None)

        result = run.invoke(args=["jobs", "retry", dead])
        jobs.work()

        assert (result.exit_code, result.output) == (0, "1 to be tried again.\n")
        assert (the_row().status, the_row().attempts, the_row().last_error) == ("done", 1, None)
        assert [event.detail for event in audited("job_retried")] == [{"task": "made.up"}]

    def test_takes_all(self, run: FlaskCliRunner, declare: Declare) -> None:
        a_dead_job(declare)
        a_dead_job(declare)

        assert run.invoke(args=["jobs", "retry", "--all"]).output == "2 to be tried again.\n"

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_takes_all_of_many_some_at_a_time(
        self, run: FlaskCliRunner, declare: Declare, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        monkeypatch.setattr(records, "_AT_ONCE", 2)
        for _ in range(5):
            a_dead_job(declare)

        result = run.invoke(args=["jobs", verb, "--all"])

        assert result.output.startswith("5 ")
        assert {row.status for row in rows()} <= {"pending"}
        assert len(audited({"retry": "job_retried", "discard": "job_discarded"}[verb])) == 5

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_refuses_what_is_not_dead(self, run: FlaskCliRunner, declare: Declare, verb: str) -> None:
        declare(lambda: None)

        result = run.invoke(args=["jobs", verb, enqueue()])

        assert result.exit_code == 1
        assert "There is no dead job of that id" in result.output
        assert the_row().status == "pending"

    @pytest.mark.parametrize("words", [[], ["--all", str(uuid4())]], ids=["nothing", "both"])
    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_wants_ids_or_all(self, run: FlaskCliRunner, verb: str, words: list[str]) -> None:
        assert run.invoke(args=["jobs", verb, *words]).exit_code == 2


class TestDiscard:
    def test_deletes_a_dead_job(self, run: FlaskCliRunner, declare: Declare) -> None:
        dead = a_dead_job(declare)

        result = run.invoke(args=["jobs", "discard", dead])

        assert (result.output, rows()) == ("1 discarded.\n", [])
        assert [event.detail for event in audited("job_discarded")] == [{"task": "made.up"}]


class TestForgetOld:
    def test_deletes_what_was_done_long_ago_and_nothing_else(self, declare: Declare, clock: Clock) -> None:
        a_dead_job(declare)
        declare(lambda: None)
        enqueue()
        jobs.work()
        clock.advance(days=7, seconds=1)
        enqueue()
        jobs.work()

        assert jobs.forget_old() == 1
        assert [row.status for row in rows()] == ["dead", "done"]


class TestTimetable:
    def test_shows_how_each_task_fares(self, run: FlaskCliRunner, world: World) -> None:
        jobs.run_due()

        result = run.invoke(args=["jobs", "timetable"])

        assert "audit.prune  every 1 day, 0:00:00  next " in result.output
        assert all(line.endswith("  well") for line in result.output.splitlines())
