"""Each job has its effect once, or is visibly dead, whoever is killed when: without a broker, on Redis, on RabbitMQ."""

import os
import pickle
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import func, select

from app.features.jobs import service as jobs
from app.features.jobs.models import Job
from app.infra import db
from app.main import features
from tests import servers
from tests.features.jobs import crew, crews
from tests.features.jobs.crews import Hands, Workers
from tests.features.mail.conftest import SECRET
from tests.live import wait_until
from tests.world import SERVICES, World

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("CARBOY_TEST_KILLS", "6"))
_NUMBERS = count()
SECONDS = 120 + 2.0 * KILLS

BROKERS = {"redis": (servers.redis, servers.find_redis), "rabbitmq": (servers.rabbitmq, servers.find_rabbitmq)}

on_brokers = pytest.mark.parametrize(
    "broker",
    [
        pytest.param(
            name,
            marks=[
                pytest.mark.skipif(not SERVICES, reason="Celery belongs to the services world"),
                pytest.mark.skipif(not find(), reason=f"no {name} server found to be the broker"),
            ],
        )
        for name, (_, find) in BROKERS.items()
    ],
)


@pytest.fixture(autouse=True)
def _tables(world: World) -> Iterator[None]:
    world.with_settings(secret_key=(SECRET,))
    crew.make_tables()
    jobs.register(crew.JOBS)
    yield
    jobs.register(features.JOBS)
    crew.drop_tables()


def ask(task: str, number: int) -> list[str]:
    names = [f"{task}-{next(_NUMBERS)}" for _ in range(number)]
    with db.unit_of_work():
        for name in names:
            jobs.enqueue(task, {"name": name})
    return names


def open_jobs() -> int:
    with db.unit_of_work(writes=False):
        found = select(func.count()).where(Job.status.in_(("pending", "running")))
        return db.session().execute(found).scalar_one()


def tended_open_jobs(present: Hands | Workers) -> int:
    present.tend()
    return open_jobs()


def kill_and_see(present: Hands | Workers, *, pause: float) -> None:
    """Kill while there is something to do; then let the rest be done, and look at what has come of all."""
    chance = random.Random(20260109)  # noqa: S311 -- when to kill need not be unguessable
    asked = [*ask("test.leave", 5 * KILLS), *ask("test.fail_at_times", 3 * KILLS)]
    doomed = ask("test.fail", KILLS)
    kills = 0
    while kills < KILLS:
        Event().wait(chance.random() * pause)
        kills += present.kill_one(chance)
        asked += ask("test.leave", max(0, 10 - open_jobs()))
    wait_until(lambda: not tended_open_jobs(present), lambda: f"{open_jobs()} jobs are left", seconds=SECONDS)

    with db.unit_of_work(writes=False):
        found = Counter(tuple(row) for row in db.session().execute(select(Job.task, Job.status)))
    counts = (
        f"{kills} kills: of {sum(found.values())} jobs {len(set(crew.effects()) & set(asked))} had their effect once"
    )
    print(f"\n{counts}, {found['test.fail', 'dead']} that always fail are dead")  # noqa: T201 -- the figures of this proof
    assert Counter(name for name in crew.effects() if name != "on time") == Counter(asked)
    assert {status for task, status in found if task == "test.fail"} == {"dead"}
    assert found["test.fail", "dead"] == len(doomed)
    assert sum(found.values()) == len(asked) + len(doomed)


def see_the_broker_come_back(server: servers.Server) -> None:
    """Restart it: the timetable goes on, which beats tell, each over a connection that it had."""
    server.stop()
    server.start()
    before = crew.effects().count("on time")

    wait_until(lambda: crew.effects().count("on time") > before + 1, seconds=SECONDS)  # one may have been on its way


def see_the_present_job_end(present: Hands | Workers) -> None:
    """Stop everybody in order while one is at a job: it comes to its end, and no other is begun."""
    with db.unit_of_work():
        jobs.enqueue("test.hold", {"seconds": 1.5})
    wait_until(lambda: statuses("test.hold") == ["running"])
    ask("test.leave", 50)
    present.stop()

    assert statuses("test.hold") == ["done"]
    assert crew.effects().count("held") == 1
    assert "running" not in statuses("test.leave")


def statuses(task: str) -> list[str]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(Job.status).where(Job.task == task)))


NONSENSE: list[dict[str, Any]] = [
    {"body": b"42"},
    {
        "body": pickle.dumps(([], {}, {})),
        "content_type": "application/x-python-serialize",
        "content_encoding": "binary",
    },
    {"body": b"[[], {}, {}]", "content_type": "application/x-nonsense"},
    {"body": b"[[], {}, {}]", "headers": {"task": "jobs.work"}},
    {"body": b"[[], {}, {}]", "headers": {"task": ["jobs.work"], "id": "1"}},
    {"body": b"[[], {}, {}]", "headers": {"task": "jobs.work", "id": "1", "timelimit": ["a", "b"]}},
    {"body": b"[[], {}, {}]", "headers": {"task": "jobs.work", "id": "1", "retries": "a"}},
    {"body": b'[[], {}, {"errbacks": "a"}]'},
]
"""Each of these ends a worker of Celery, or is heard again and again."""

AS_OURS = {
    "headers": {"task": "jobs.work", "id": "1"},
    "content_type": "application/json",
    "content_encoding": "utf-8",
}

NO_MESSAGES = [b"nonsense", b"[1]", b"null", b"{}", b'{"properties": {}}', b"\xff"]
"""What Redis lets into a queue."""


def leave_nonsense(url: str) -> int:
    """Leave messages that this release makes no sense of; return how many say so in the worker's log."""
    with Celery(broker=url, set_as_current=False) as sender:
        sender.conf.task_default_queue = "carboy"
        sender.send_task("of.another.release")
        sender.send_task("jobs.work", args=["nonsense"])
        sender.send_task("jobs.work", args=[{"request_id": "request-of-ada", "of_another_release": 1}])
        sender.send_task("jobs.work", kwargs={"of_another_release": 1})
        with sender.connection_for_write() as connection, connection.SimpleQueue("carboy") as line:
            line.put("nonsense")
            line.put({"non": "sense"})
            for message in NONSENSE:
                line.producer.publish(**{**AS_OURS, **message})
            if url.startswith("redis"):
                connection.default_channel.client.lpush("carboy", *NO_MESSAGES)
                return 2 + len(NONSENSE) + len(NO_MESSAGES)
    return 2 + len(NONSENSE)


class TestKilled:
    def test_hands_without_a_broker(self, world: World) -> None:
        with crews.hands(world) as present:
            kill_and_see(present, pause=0.2)
            see_the_present_job_end(present)

    @on_brokers
    def test_workers_while_two_beats_tell_the_time(self, world: World, broker: str, tmp_path: Path) -> None:
        start: AbstractContextManager[servers.Server] = BROKERS[broker][0]()
        with ExitStack() as stack:
            server = stack.enter_context(start)
            nonsense = leave_nonsense(server.url)
            began = time.monotonic()
            present = stack.enter_context(crews.workers(world, server.url, tmp_path))
            kill_and_see(present, pause=0.6)
            see_the_broker_come_back(server)
            rounds, most = crew.effects().count("on time"), (time.monotonic() - began) / crew.EVERY.total_seconds() + 1
            see_the_present_job_end(present)

        assert 1 <= rounds <= most
        assert present.log.read_bytes().count(b"makes no sense and is dropped") >= nonsense
