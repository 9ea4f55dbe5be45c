"""The thread of each process that learns what was changed for all of them."""

import threading
from collections.abc import Iterator
from threading import Event

import pytest

from app.infra import watch


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = list(watch._looks)
    monkeypatch.setattr(watch, "SECONDS", 0.01)
    yield
    watch.register(*kept)


def watchers() -> int:
    return sum(thread.name == "watch" for thread in threading.enumerate())


class TestStart:
    def test_looks_at_once_and_again_and_again(self) -> None:
        looked: list[int] = []
        thrice = Event()
        watch.register(lambda: looked.append(1), lambda: None if len(looked) < 3 else thrice.set())

        watch.start()

        assert looked
        assert thrice.wait(10)

    def test_twice_is_one_thread(self) -> None:
        before = watchers()
        watch.register(lambda: None)

        watch.start()
        watch.start()

        assert watchers() - before <= 1

    def test_goes_on_after_a_look_that_failed(self) -> None:
        again = Event()
        looked: list[int] = []

        def fail() -> None:
            looked.append(1)
            if len(looked) > 1:
                again.set()
            raise OSError("away")

        watch.register(fail)
        watch.start()

        assert again.wait(10)

    def test_is_ended_by_stop(self) -> None:
        looked: list[int] = []
        watch.register(lambda: looked.append(1))
        watch.start()
        (thread,) = [one for one in threading.enumerate() if watch._watching and one is watch._watching[1]]

        watch.stop()
        thread.join(10)

        assert not thread.is_alive()
