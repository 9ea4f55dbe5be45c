"""Work beside the requests, in a thread of this process."""

import json
import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Event, current_thread

import pytest

from app.core import origin
from app.core.origin import Origin
from app.infra import db, queue
from app.infra.queue import Task, task
from app.main import features
from tests.world import World

SECONDS = 10.0


class Heard:
    """A task that remembers what it was run with; ``go_on`` holds it back."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.threads: set[str] = set()
        self.begun, self.go_on = Event(), Event()
        self.go_on.set()

    def __call__(self) -> None:
        self.begun.set()
        assert self.go_on.wait(SECONDS)
        self.threads.add(current_thread().name)
        self.ids.append(origin.current().request_id)


@pytest.fixture
def register(world: World) -> Iterator[Callable[..., None]]:
    """Put tasks in the place of ours. The tick does nothing, unless it is one of them."""

    def put(*tasks: Task) -> None:
        queue.register([Task(queue.TICK, lambda: None), *tasks])

    yield put
    queue.stop()
    queue.register(features.TASKS)


@pytest.fixture
def heard(register: Callable[..., None]) -> Heard:
    made = Heard()
    register(Task("listen", made))
    return made


def enqueue(name: str = "listen", *, request: str = "request-of-ada") -> None:
    """Ask for a task as a request does."""
    token = origin.begin(Origin(request))
    with db.unit_of_work():
        queue.enqueue(name)
    origin.end(token)


def until_done() -> None:
    """Return when everything that was asked for is done."""
    done = Event()
    queue._tasks["done"] = Task("done", done.set)
    enqueue("done")
    assert done.wait(SECONDS)


class TestEnqueue:
    def test_runs_the_task_in_the_background_as_work_of_the_request(self, heard: Heard) -> None:
        queue.start()

        enqueue()
        until_done()

        assert (heard.ids, heard.threads) == (["request-of-ada"], {"background"})

    def test_waits_for_the_end_of_the_transaction(self, heard: Heard) -> None:
        queue.start()

        with db.unit_of_work():
            queue.enqueue("listen")
            before = list(heard.ids)
        until_done()

        assert (before, len(heard.ids)) == ([], 1)

    def test_does_nothing_if_the_transaction_fails(self, heard: Heard) -> None:
        queue.start()

        def failing() -> None:
            with db.unit_of_work():
                queue.enqueue("listen")
                raise LookupError

        with pytest.raises(LookupError):
            failing()
        until_done()

        assert heard.ids == []

    def test_does_nothing_where_nobody_serves(self, heard: Heard) -> None:
        enqueue()

        assert heard.ids == []

    def test_runs_once_what_was_asked_for_many_times_meanwhile(self, heard: Heard) -> None:
        heard.go_on.clear()
        queue.start()
        enqueue()
        assert heard.begun.wait(SECONDS)

        for _ in range(50):
            enqueue(request="another-request")
        heard.go_on.set()
        until_done()

        assert heard.ids == ["request-of-ada", "another-request"]

    def test_runs_tasks_in_the_order_in_which_they_were_asked_for(self, register: Callable[..., None]) -> None:
        heard, ran = Heard(), list[str]()
        register(Task("listen", heard), *(Task(name, partial(ran.append, name)) for name in ("first", "second")))
        heard.go_on.clear()
        queue.start()
        enqueue()
        assert heard.begun.wait(SECONDS)

        for name in ("first", "second", "first"):
            enqueue(name)
        heard.go_on.set()
        until_done()

        assert ran == ["first", "second"]


class TestFailure:
    def test_of_a_task_is_logged_and_ends_nothing(self, register: Callable[..., None], lines: list[bytes]) -> None:
        heard = Heard()
        register(Task("fail", lambda: 1 / 0), Task("listen", heard))
        queue.start()

        enqueue("fail")
        enqueue()
        until_done()

        (told,) = [json.loads(line) for line in lines if b"a task failed" in line]
        assert (told["request_id"], told["extra"]["task"]) == ("request-of-ada", "fail")
        assert "ZeroDivisionError" in told["extra"]["exception"]
        assert heard.ids == ["request-of-ada"]

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, CancelledError])
    def test_that_would_end_a_process_ends_nothing(
        self, register: Callable[..., None], lines: list[bytes], error: type[BaseException]
    ) -> None:
        heard = Heard()

        def fail() -> None:
            raise error

        register(Task("fail", fail), Task("listen", heard))
        queue.start()

        enqueue("fail")
        enqueue()
        until_done()

        assert len([line for line in lines if b"a task wanted to end its process" in line]) == 1
        assert heard.ids == ["request-of-ada"]


class TestTick:
    def test_comes_at_the_start_and_every_few_seconds(
        self, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticked, count = Event(), []

        def tick() -> None:
            count.append(1)
            if len(count) == 3:
                ticked.set()

        monkeypatch.setattr(queue, "TICK_SECONDS", 0.01)
        register(Task(queue.TICK, tick))

        queue.start()

        assert ticked.wait(SECONDS)


class TestStop:
    def test_lets_the_task_at_hand_come_to_its_end(self, heard: Heard) -> None:
        heard.go_on.clear()
        queue.start()
        enqueue()
        assert heard.begun.wait(SECONDS)
        enqueue(request="too-late")

        logging.getLogger().debug("the task is held back until the end was asked for")
        thread = queue._background._thread  # type: ignore[union-attr]  # it was started
        queue._background._ending.set()  # type: ignore[union-attr]  # as above
        said = queue.is_ending()
        heard.go_on.set()
        queue.stop()

        assert (said, heard.ids) == (True, ["request-of-ada"])
        assert not thread.is_alive()

    def test_may_be_followed_by_another_start(self, heard: Heard) -> None:
        queue.start()
        queue.stop()
        queue.start()

        enqueue()
        until_done()

        assert len(heard.ids) == 1

    def test_of_what_was_never_started_does_nothing(self, world: World) -> None:
        queue.stop()

        assert not queue.is_ending()


class TestTask:
    def test_runs_in_a_unit_of_work(self, world: World) -> None:
        done: list[str] = []

        @task("made.up", every=timedelta(hours=1))
        def made() -> None:
            db.after_commit(lambda: done.append("committed"))

        made.run()

        assert (made.name, made.every, done) == ("made.up", timedelta(hours=1), ["committed"])

    def test_may_open_its_own(self, world: World) -> None:
        @task("made.up", unit=False)
        def made() -> None:
            with db.unit_of_work():
                pass

        made.run()
