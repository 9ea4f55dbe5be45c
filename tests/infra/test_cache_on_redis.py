import pytest

from app.infra import cache, cache_stores, redis
from app.infra.cache import cached
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.infra.adder import SECONDS, Adder, Sum, take
from tests.live import free_port
from tests.world import SERVICES, World, settings


@pytest.fixture
def adder(world: World, clock: Clock) -> Adder:
    return Adder()


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def _away(self, world: World) -> None:
        away = settings(world.var, redis_url=f"redis://127.0.0.1:{free_port()}/0")
        world.reassembled = True
        redis.connect(away)
        cache.connect(away)

    def test_is_kept_in_this_process_for_a_moment(self, adder: Adder, clock: Clock) -> None:
        adder.add(2)
        adder.add(2)
        kept = adder.runs[2]

        clock.advance(seconds=5)
        adder.add(2)

        assert (kept, adder.runs[2]) == (1, 2)

    def test_can_be_invalidated(self, adder: Adder) -> None:
        adder.add(2)

        adder.add.invalidate(2)
        adder.add(2)

        assert adder.runs[2] == 2

    def test_one_computes_and_the_others_wait(self, adder: Adder) -> None:
        adder.meanwhile = lambda: take(0.1)

        at_once(8, lambda _: adder.add(2))

        assert adder.runs[2] == 1


@pytest.mark.skipif(not SERVICES, reason="there is no Redis to share in the embedded world")
class TestOnRedis:
    def test_is_shared_with_other_processes(self, world: World, adder: Adder) -> None:
        adder.add(2)

        cache.connect(world.settings)  # as another process would

        assert adder.add(2) == Sum(3, [1, 2])
        assert adder.runs[2] == 1

    def test_leaves_nothing_behind(self, adder: Adder) -> None:
        adder.add(2)
        adder.add.invalidate(2)

        left = redis.ask(lambda client: {key: client.ttl(key) for key in client.scan_iter(f"*{adder.name}*")})

        assert {key.split(b":")[2] for key in left} == {b"value", b"token"}
        assert all(0 < seconds <= 2 * SECONDS + cache_stores.TOKEN_SECONDS + 1 for seconds in left.values())

    def test_outlives_no_token_that_ended_it(self, adder: Adder) -> None:
        adder.add(2)
        adder.add.invalidate(2)

        left = redis.ask(lambda client: {key: client.ttl(key) for key in client.scan_iter(f"*{adder.name}*")})

        token, value = (next(left[key] for key in left if kind in key) for kind in (b":token:", b":value:"))
        assert token >= value + cache_stores.TOKEN_SECONDS

    @pytest.mark.parametrize("wrong", [b"", b"x", b". nan\n{}", b". 1e99\n{}", b'. 1e99\n{"of":"x","parts":1}'])
    def test_what_is_not_ours_is_computed(self, adder: Adder, wrong: bytes) -> None:
        key = f"carboy:cache:value:{adder.add._shape}:{adder.add._name_of(2)}"
        redis.ask(lambda client: client.set(key, wrong))

        assert adder.add(2) == Sum(3, [1, 2])

    def test_names_no_arguments(self, world: World) -> None:
        @cached("test-names", seconds=SECONDS)
        def letters(of: str) -> int:
            return len(of)

        letters("zorg@people.example")

        assert redis.ask(lambda client: [key for key in client.scan_iter("*") if b"zorg" in key]) == []

    def test_what_became_untrue_while_redis_was_away_is_not_believed_when_it_is_back(
        self, world: World, adder: Adder
    ) -> None:
        adder.add(2)
        redis.connect(settings(world.var, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
        adder.add.invalidate(2)
        adder.parts = [7]
        away = adder.add(2)

        redis.connect(world.settings)

        assert away.parts == [7, 2]
        assert adder.add(2).parts == [7, 2]

    def test_a_dead_connection_while_computing_loses_only_the_value(self, world: World, adder: Adder) -> None:
        adder.meanwhile = lambda: redis.connect(settings(world.var, redis_url=f"redis://127.0.0.1:{free_port()}/0"))

        assert adder.add(2) == Sum(3, [1, 2])
        assert adder.runs[2] == 1

        redis.connect(world.settings)

    def test_clear_forgets_it_all_even_what_is_being_computed(self, adder: Adder) -> None:
        adder.add(2)
        adder.meanwhile = cache.clear
        adder.add(3)
        adder.meanwhile = lambda: None

        adder.add(2)
        adder.add(3)

        assert adder.runs == {2: 2, 3: 2}
