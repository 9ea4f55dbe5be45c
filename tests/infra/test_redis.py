import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_client

from app.core.config import Settings, load
from app.infra import redis
from app.infra.redis import RedisAway
from tests.infra.fake_redis import fake_redis, silent_redis
from tests.live import free_port
from tests.world import SERVICES, World

TIME_OUT = 0.05
REST = 30.0


def connect(url: str) -> Settings:
    settings = load(env_file=None, public_url="http://carboy.test", redis_url=url, redis_seconds=TIME_OUT)
    redis.connect(settings)
    return settings


def ask() -> Any:
    return redis.ask(lambda client: client.execute_command("ANYTHING"))


@pytest.fixture(autouse=True)
def _put_back(world: World) -> Iterator[None]:
    yield
    redis.connect(world.settings)


class Stopwatch:
    """The clock that measures durations, moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    monkeypatch.setattr("app.infra.redis.time", watch)
    return watch


class TestAsk:
    def test_returns_what_redis_answers(self) -> None:
        with fake_redis() as server:
            connect(server.url)

            assert ask() == b"OK"

    def test_is_refused_in_a_world_without_redis(self) -> None:
        connect("")

        with pytest.raises(RedisAway):
            ask()

    def test_is_refused_where_nobody_listens(self) -> None:
        connect(f"redis://127.0.0.1:{free_port()}/0")

        with pytest.raises(RedisAway):
            ask()

    def test_waits_for_silence_no_longer_than_it_may(self) -> None:
        with silent_redis() as server:
            connect(server.url)
            started = time.perf_counter()

            with pytest.raises(RedisAway):
                ask()

            assert TIME_OUT <= time.perf_counter() - started < 20 * TIME_OUT

    def test_does_not_wait_for_silence_twice(self) -> None:
        with silent_redis() as server:
            connect(server.url)

            with pytest.raises(RedisAway):
                ask()

            assert server.connections() == 1

    def test_passes_on_what_is_no_failure_of_redis(self) -> None:
        with fake_redis() as server:
            connect(server.url)

            with pytest.raises(ZeroDivisionError):
                redis.ask(lambda _: 1 / 0)

            assert ask() == b"OK"


class TestRest:
    def test_spares_everybody_the_next_time_out(self, stopwatch: Stopwatch) -> None:
        with silent_redis() as server:
            connect(server.url)
            with pytest.raises(RedisAway):
                ask()

            for _ in range(5):
                with pytest.raises(RedisAway):
                    ask()

            assert server.connections() == 1

    def test_ends_by_itself(self, stopwatch: Stopwatch) -> None:
        port = free_port()
        connect(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(RedisAway):
            ask()

        with fake_redis(port):
            stopwatch.at += REST - 1
            with pytest.raises(RedisAway):
                ask()
            stopwatch.at += 2

            assert ask() == b"OK"

    def test_is_ended_by_an_answer_to_ping(self, stopwatch: Stopwatch) -> None:
        port = free_port()
        connect(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(RedisAway):
            ask()

        with fake_redis(port):
            redis.ping()

            assert ask() == b"OK"

    def test_is_not_ended_by_a_ping_without_an_answer(self, stopwatch: Stopwatch) -> None:
        with silent_redis() as server:
            connect(server.url)
            with pytest.raises(RedisAway):
                redis.ping()

            with pytest.raises(RedisAway):
                ask()

            assert server.connections() == 1

    def test_is_not_ended_by_one_that_answers_and_takes_nothing(self) -> None:
        with fake_redis() as server:
            server.fill()
            connect(server.url)
            assert ask() == b"OK"

            with pytest.raises(RedisAway):
                redis.ping()

            with pytest.raises(RedisAway):
                ask()

    def test_is_announced_once(self, stopwatch: Stopwatch, lines: list[bytes]) -> None:
        connect(f"redis://127.0.0.1:{free_port()}/0")

        for _ in range(5):
            with pytest.raises(RedisAway):
                ask()

        written = [json.loads(line) for line in lines]
        assert [(line["level"], line["message"]) for line in written] == [
            ("WARNING", "redis does not answer; going on without it")
        ]


class TestConnect:
    def test_opens_no_connection(self) -> None:
        with silent_redis() as server:
            connect(server.url)

            assert server.connections() == 0

    @pytest.mark.parametrize(("url", "configured"), [("", False), ("redis://127.0.0.1/0", True)], ids=["none", "some"])
    def test_learns_whether_there_is_a_redis(self, url: str, configured: bool) -> None:  # noqa: FBT001 -- an expectation
        connect(url)

        assert redis.is_configured() is configured

    def test_forgets_the_rest_of_the_one_before(self) -> None:
        connect(f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises(RedisAway):
            ask()

        with fake_redis() as server:
            connect(server.url)

            assert ask() == b"OK"


@pytest.mark.skipif(not SERVICES, reason="there is no real Redis in the embedded world")
class TestRealRedis:
    def test_answers(self, world: World) -> None:
        redis.ping()

        assert redis.ask(lambda client: client.set("carboy:test", "1"))

    def test_that_closed_our_connection_is_not_noticed(self, world: World) -> None:
        ours = redis.ask(lambda client: client.client_id())
        killer = redis_client.Redis.from_url(world.settings.redis_url)

        killed = killer.client_kill_filter(_id=ours)

        assert killed == 1
        assert redis.ask(lambda client: client.ping())
        killer.close()
