"""The line before the views: turns in order, a bound on waiting, and probes that pass it."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import Event

import pytest

from app.infra import patience
from app.web import admission
from app.web.admission import Busy, Line
from tests.api import Api
from tests.world import World

SECONDS = 10.0


def wait_for_waiting(line: Line, count: int) -> None:
    ends = time.monotonic() + SECONDS
    while len(line._waiting) < count:
        assert time.monotonic() < ends


class TestLine:
    def test_hands_turns_on_in_the_order_of_asking(self) -> None:
        line = Line(turns=1, length=8, seconds=SECONDS)
        order: list[int] = []

        def work(number: int) -> None:
            line.enter()
            order.append(number)
            line.leave()

        line.enter()
        with ThreadPoolExecutor(5) as threads:
            for number in range(5):
                threads.submit(work, number)
                wait_for_waiting(line, number + 1)
            line.leave()

        assert order == [0, 1, 2, 3, 4]

    def test_lets_no_more_work_at_once_than_there_are_turns(self) -> None:
        line = Line(turns=3, length=64, seconds=SECONDS)
        working: list[int] = []
        most: list[int] = []

        def work(number: int) -> None:
            line.enter()
            working.append(number)
            most.append(len(working))
            Event().wait(0.001)
            working.remove(number)
            line.leave()

        with ThreadPoolExecutor(20) as threads:
            list(threads.map(work, range(200)))

        assert max(most) == 3
        assert line._free == 3

    def test_refuses_who_waits_too_long_and_forgets_them(self) -> None:
        line = Line(turns=1, length=8, seconds=0.01)
        line.enter()

        with pytest.raises(Busy):
            line.enter()
        line.leave()

        line.enter()
        assert len(line._waiting) == 0

    def test_refuses_at_once_when_it_is_full_though_it_moved_this_moment(self) -> None:
        line = Line(turns=1, length=1, seconds=SECONDS)
        line.enter()

        with ThreadPoolExecutor(2) as threads:
            waiting = threads.submit(line.enter)
            wait_for_waiting(line, 1)
            line.leave()
            waiting.result(SECONDS)
            threads.submit(line.enter)
            wait_for_waiting(line, 1)
            started = time.monotonic()

            with pytest.raises(Busy):
                line.enter()

            assert time.monotonic() - started < SECONDS / 2
            line.leave()


class TestViews:
    @pytest.fixture
    def full(self, world: World) -> Api:
        """An instance all of whose threads are at work, and which lets nobody wait."""
        api = Api(world.with_settings(threads=1, waiting=0, database_pool_seconds=0.01))
        admission.enter()
        return api

    @pytest.mark.parametrize("path", ["/api/v1/visits", "/auth/me", "/"])
    def test_tell_others_to_come_back(self, full: Api, path: str) -> None:
        answer = full.get(path, headers={"Accept": "application/json"})

        assert (answer.status_code, answer.code) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1

    @pytest.mark.parametrize("path", ["/health", "/healthz", "/readiness"])
    def test_of_probes_wait_for_nobody(self, full: Api, path: str) -> None:
        assert full.get(path).status_code == 200

    def test_give_their_turn_back_though_they_fail(self, world: World) -> None:
        api = Api(world.with_settings(threads=1, waiting=0, database_pool_seconds=0.01))

        answers = [api.get("/auth/me").status_code for _ in range(3)]

        assert answers == [401, 401, 401]

    def test_wait_for_a_connection_only_as_long_as_the_line_left(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api = Api(world.with_settings(database_pool_seconds=5, database_statement_seconds=10))
        allowed: list[dict[str, float]] = []
        waiting = patience.waiting_at_most
        monkeypatch.setattr(admission, "enter", lambda: 3.0)
        monkeypatch.setattr(admission, "leave", lambda: None)

        def noted(*, turn: float, seconds: float) -> AbstractContextManager[None]:
            allowed.append({"turn": turn, "seconds": seconds})
            return waiting(turn=turn, seconds=seconds)

        monkeypatch.setattr(patience, "waiting_at_most", noted)

        api.get("/auth/me")

        assert allowed == [{"turn": 2.0, "seconds": 12.0}]
