import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest

from app.infra import hits, redis
from app.infra.hits import Hits
from tests.conftest import Clock
from tests.live import free_port
from tests.world import SERVICES, World, settings

MINUTE = 60


@pytest.fixture
def key(world: World) -> str:
    """A name that nothing was counted under."""
    return str(uuid4())


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads take turns after every few steps instead of every 5 ms, so that they meet where they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class TestAdd:
    def test_counts_from_one(self, key: str) -> None:
        counts = [hits.add(key, seconds=MINUTE).count for _ in range(3)]

        assert counts == [1, 2, 3]

    def test_counts_each_key_for_itself(self, key: str) -> None:
        hits.add(key, seconds=MINUTE)

        assert hits.add(f"{key} of another", seconds=MINUTE).count == 1

    def test_counts_each_length_of_window_for_itself(self, key: str) -> None:
        hits.add(key, seconds=MINUTE)

        assert hits.add(key, seconds=3600).count == 1

    def test_begins_again_with_the_next_window(self, key: str, clock: Clock) -> None:
        clock.at = clock.at.replace(second=58)
        hits.add(key, seconds=MINUTE)
        clock.advance(seconds=1)
        last = hits.add(key, seconds=MINUTE)

        clock.advance(seconds=1)
        first = hits.add(key, seconds=MINUTE)

        assert (last.count, first.count) == (2, 1)

    @pytest.mark.parametrize(("second", "left"), [(0, 60), (1, 59), (59, 1)])
    def test_tells_when_the_window_ends(self, key: str, clock: Clock, second: int, left: int) -> None:
        clock.at = clock.at.replace(second=second)

        assert hits.add(key, seconds=MINUTE).reset_after == left

    @pytest.mark.usefixtures("restless_threads")
    def test_loses_none_of_many_threads(self, key: str, clock: Clock) -> None:
        start = Barrier(8, timeout=10)
        lengths = range(1000, 1200)

        def hit(_: int) -> list[int]:
            return [hits.add(key, seconds=seconds).count for seconds in lengths if start.wait() >= 0]

        with ThreadPoolExecutor(8) as threads:
            counts = sorted(count for found in threads.map(hit, range(8)) for count in found)

        assert counts == sorted([*range(1, 9)] * len(lengths))

    def test_keeps_nothing_of_windows_that_ended(self, world: World, clock: Clock) -> None:
        hits.connect(settings(world.var, redis_url=""))
        for number in range(100):
            hits.add(str(number), seconds=MINUTE)

        clock.advance(seconds=MINUTE)
        hits.add("one", seconds=MINUTE)

        assert sum(len(table) for _, table in hits._here._tables.values()) == 1


class TestConnect:
    def test_begins_from_zero_in_this_process(self, world: World, key: str) -> None:
        chosen = settings(world.var, redis_url="")
        hits.connect(chosen)
        hits.add(key, seconds=MINUTE)

        hits.connect(chosen)

        assert hits.add(key, seconds=MINUTE) == Hits(1, hits.add(key, seconds=MINUTE).reset_after, shared=False)


class TestWithoutRedis:
    def test_counts_in_this_process(self, world: World, key: str) -> None:
        hits.connect(settings(world.var, redis_url=""))

        assert not hits.add(key, seconds=MINUTE).shared

    def test_counts_in_this_process_while_redis_is_away(self, world: World, key: str) -> None:
        away = settings(world.var, redis_url=f"redis://127.0.0.1:{free_port()}/0")
        world.reassembled = True
        redis.connect(away)
        hits.connect(away)

        found = [hits.add(key, seconds=MINUTE) for _ in range(3)]

        assert [(hit.count, hit.shared) for hit in found] == [(1, False), (2, False), (3, False)]


@pytest.mark.skipif(not SERVICES, reason="there is no Redis to share in the embedded world")
class TestOnRedis:
    def test_is_shared_with_other_processes(self, world: World, key: str, clock: Clock) -> None:
        hits.add(key, seconds=MINUTE)

        hits.connect(world.settings)  # as another process would

        hit = hits.add(key, seconds=MINUTE)
        assert (hit.count, hit.shared) == (2, True)

    def test_leaves_nothing_behind(self, world: World, key: str) -> None:
        hits.add(key, seconds=MINUTE)

        left = redis.ask(lambda client: [client.ttl(name) for name in client.scan_iter(f"*{key}")])

        assert len(left) == 1
        assert 0 < left[0] <= MINUTE + 1

    def test_goes_on_after_a_restart_forgot_its_scripts(self, key: str, clock: Clock) -> None:
        hits.add(key, seconds=MINUTE)

        redis.ask(lambda client: client.script_flush())

        hit = hits.add(key, seconds=MINUTE)
        assert (hit.count, hit.shared) == (2, True)
