"""Many who ask at once, and one who dies meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from uuid import uuid4

import pytest

from app.core.errors import Unavailable
from app.infra import cache, cache_stores
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.infra.adder import SECONDS, Adder, Slow, Sum, take
from tests.infra.computing import computing, runs
from tests.live import ROOT, environment, wait_until
from tests.world import SERVICES, World


@pytest.fixture
def adder(world: World, clock: Clock) -> Adder:
    return Adder()


class TestTogether:
    def test_one_computes_and_the_others_wait(self, adder: Adder) -> None:
        adder.meanwhile = lambda: take(0.1)

        answers = at_once(16, lambda _: adder.add(2))

        assert answers == [Sum(3, [1, 2])] * 16
        assert adder.runs[2] == 1

    def test_the_others_get_what_is_old_while_one_renews_it(self, adder: Adder, clock: Clock) -> None:
        adder.add(2)
        clock.advance(seconds=SECONDS)
        adder.parts = [7]
        renewing = Slow(adder)

        old = adder.add(2)
        renewing.end()

        assert (old.parts, adder.add(2).parts) == ([1, 2], [7, 2])
        assert adder.runs[2] == 2

    def test_a_failure_of_the_first_is_not_the_others(self, adder: Adder) -> None:
        def fail_at_first() -> None:
            take(0.05)
            if adder.runs[2] == 1:
                raise Unavailable

        def ask(_: int) -> Sum | None:
            try:
                return adder.add(2)
            except Unavailable:
                return None

        adder.meanwhile = fail_at_first
        answers = at_once(8, ask)

        assert Counter(answer is None for answer in answers) == {True: 1, False: 7}
        assert adder.runs[2] == 2

    def test_who_dies_while_computing_holds_up_nobody_for_long(
        self, adder: Adder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_stores, "LEASE_SECONDS", 0.3)
        store = cache._shared or cache._here
        name = adder.add._name_of(2)
        key = f"{adder.add._shape}:{name}"
        kept = store.read(name, key)
        assert kept is not None
        dead = store.alone(f"{key}:{kept.token}")
        assert dead.__enter__()  # and never leaves

        began = time.monotonic()
        adder.add(2)

        assert 0.2 < time.monotonic() - began < 2

    def test_who_computes_for_too_long_is_not_waited_for(self, adder: Adder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cache, "_WAIT_SECONDS", 0.2)
        slow = Slow(adder)

        began = time.monotonic()
        adder.add(2)
        waited = time.monotonic() - began
        slow.end()

        assert 0.1 < waited < 2


@pytest.mark.skipif(not SERVICES, reason="processes share nothing in the embedded world")
class TestProcesses:
    def test_one_computes_and_the_others_wait(self, world: World) -> None:
        name = f"test-{uuid4()}"

        answers = _processes(world, name, seconds=1, count=4).communicate(timeout=120)[0]

        assert answers == b"42\n" * 4
        assert len(runs(name)) == 1

    def test_who_is_killed_while_computing_holds_up_nobody_for_long(self, world: World) -> None:
        name = f"test-{uuid4()}"
        killed = _processes(world, name, seconds=60, count=1)
        wait_until(lambda: runs(name) != [])
        os.kill(runs(name)[0], signal.SIGKILL)
        killed.communicate()

        began = time.monotonic()
        answer = computing(name, seconds=0)()
        took = time.monotonic() - began

        assert (answer, len(runs(name))) == (42, 2)
        assert took < cache_stores.LEASE_SECONDS + 1


def _processes(world: World, name: str, *, seconds: float, count: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.infra.computing", name, str(seconds), str(count)],
        cwd=ROOT,
        env=environment(world.var, REDIS_URL=world.settings.redis_url, REDIS_SECONDS="5"),
        stdout=subprocess.PIPE,
    )
