"""A limit on how long something takes, in the main thread and in others."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Event, Thread

import pytest

from app.infra import alarm
from tests.live import ROOT

SECONDS = 10.0


def directly(work: Callable[[], object]) -> None:
    work()


def in_a_thread(work: Callable[[], object]) -> None:
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)


everywhere = pytest.mark.parametrize("run", [directly, in_a_thread])


@everywhere
class TestAfter:
    def test_ends_what_takes_too_long(self, run: Callable[..., None]) -> None:
        heard: list[float] = []

        def work() -> None:
            began = time.monotonic()
            try:
                with alarm.after(0.05):
                    while time.monotonic() < began + SECONDS:
                        pass
            except alarm.TookTooLong:
                heard.append(time.monotonic() - began)

        run(work)

        assert len(heard) == 1
        assert heard[0] < SECONDS / 2

    def test_leaves_alone_what_was_in_time_and_what_follows(self, run: Callable[..., None]) -> None:
        done: list[bool] = []

        def work() -> None:
            for _ in range(100):
                with alarm.after(0.05):
                    pass
            done.append(Event().wait(0.1))

        run(work)

        assert done == [False]


class TestWhatGoesOn:
    def test_ends_with_its_process(self) -> None:
        program = """
import time
from app.infra import alarm
alarm._LET_GO_SECONDS = 0.1
with alarm.after(0.1):
    while True:
        try:
            time.sleep(10)
        except BaseException:
            pass
"""
        run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=6 * SECONDS)

        assert run.returncode == -signal.SIGALRM
