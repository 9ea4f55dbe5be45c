from contextlib import suppress
from uuid import uuid4

import pytest

from app.core.errors import Unavailable
from app.infra import cache, cache_stores, db
from app.infra.cache import cached
from tests.conftest import Clock
from tests.infra.adder import SECONDS, Adder, Slow, Sum
from tests.infra.things import Thing
from tests.world import World, settings


@pytest.fixture
def adder(world: World, clock: Clock) -> Adder:
    return Adder()


class TestCached:
    def test_computes_once_for_the_same_arguments(self, adder: Adder) -> None:
        answers = [adder.add(2), adder.add(2), adder.add(3)]

        assert answers == [Sum(3, [1, 2])] * 2 + [Sum(4, [1, 3])]
        assert adder.runs == {2: 1, 3: 1}

    def test_computes_anew_when_its_time_is_over(self, adder: Adder, clock: Clock) -> None:
        adder.add(2)
        clock.advance(seconds=SECONDS * 0.89)
        adder.add(2)
        kept = adder.runs[2]

        clock.advance(seconds=SECONDS * 0.12)
        adder.add(2)

        assert (kept, adder.runs[2]) == (1, 2)

    def test_is_not_believed_for_longer_if_the_clock_is_put_back(self, adder: Adder, clock: Clock) -> None:
        adder.add(2)

        clock.advance(days=-1)
        adder.add(2)

        assert adder.runs[2] == 2

    def test_does_not_end_for_all_at_the_same_moment(self, adder: Adder, clock: Clock) -> None:
        for number in range(40):
            adder.add(number)

        clock.advance(seconds=SECONDS * 0.95)
        for number in range(40):
            adder.add(number)

        assert 40 < adder.runs.total() < 80

    def test_remembers_nothing_that_failed(self, adder: Adder) -> None:
        def fail() -> None:
            raise Unavailable

        adder.meanwhile = fail
        for _ in range(2):
            with pytest.raises(Unavailable):
                adder.add(2)
        adder.meanwhile = lambda: None

        assert adder.add(2).of == 3
        assert adder.runs[2] == 3

    def test_remembers_that_there_is_nothing(self, world: World) -> None:
        runs = []

        @cached(f"test-{uuid4()}", seconds=SECONDS)
        def find() -> Sum | None:
            runs.append(1)
            return None

        assert (find(), find()) == (None, None)
        assert len(runs) == 1

    def test_gives_each_caller_a_value_of_their_own(self, adder: Adder) -> None:
        adder.add(2)
        adder.add(2).parts.append(99)

        assert adder.add(2).parts == [1, 2]

    def test_of_another_shape_or_meaning_is_not_read(self, adder: Adder) -> None:
        adder.add(2)

        @cached(adder.name, seconds=SECONDS)
        def add(number: int) -> str:
            return "in the next release"

        newer = Adder(adder.name, version=2)
        newer.add(2)

        assert add(2) == "in the next release"
        assert newer.runs[2] == 1
        assert adder.add(2) == Sum(3, [1, 2])
        assert adder.runs[2] == 1


class TestInvalidate:
    def test_has_it_computed_anew(self, adder: Adder) -> None:
        adder.add(2)
        adder.add(3)

        adder.add.invalidate(2)
        adder.add(2)
        adder.add(3)

        assert adder.runs == {2: 2, 3: 1}

    def test_waits_for_the_commit(self, adder: Adder) -> None:
        adder.add(2)

        with db.unit_of_work():
            adder.add.invalidate(2)
            adder.add(2)
            before = adder.runs[2]
        adder.add(2)

        assert (before, adder.runs[2]) == (1, 2)

    def test_does_nothing_after_a_rollback(self, adder: Adder) -> None:
        adder.add(2)

        with suppress(Unavailable), db.unit_of_work():
            adder.add.invalidate(2)
            raise Unavailable
        adder.add(2)

        assert adder.runs[2] == 1

    def test_also_ends_what_was_being_computed_before(self, adder: Adder) -> None:
        adder.meanwhile = lambda: adder.add.invalidate(2)  # somebody commits, after the old state was read
        old = adder.add(2)
        adder.parts, adder.meanwhile = [7], lambda: None

        new = adder.add(2)

        assert (old.parts, new.parts) == ([1, 2], [7, 2])

    def test_whoever_asks_after_it_does_not_wait_for_what_is_old(self, adder: Adder) -> None:
        slow = Slow(adder)
        adder.add.invalidate(2)
        adder.parts = [7]

        new = adder.add(2)
        slow.end()

        assert new.parts == [7, 2]
        assert adder.add(2).parts == [7, 2]

    def test_of_more_names_than_are_remembered_forgets_too_much_rather_than_too_little(self, adder: Adder) -> None:
        here = cache_stores.Here()
        here.invalidate("first")
        old = here.read("first", "k").token
        for number in range(cache_stores._TOKENS + 1):
            here.invalidate(str(number))

        assert here.read("first", "k").token != old


@pytest.mark.usefixtures("things")
class TestInAUnitOfWork:
    def test_that_wrote_nothing_is_kept(self, adder: Adder) -> None:
        with db.unit_of_work():
            adder.add(2)
            adder.add(2)

        assert adder.runs[2] == 1

    def test_that_wrote_something_neither_reads_nor_keeps(self, adder: Adder) -> None:
        adder.add(2)
        with db.unit_of_work():
            db.session().add(Thing(name="not committed"))
            adder.parts = [7]
            inside = adder.add(2)

        assert inside.parts == [7, 2]
        assert adder.add(2).parts == [1, 2]


class TestHere:
    @pytest.fixture(autouse=True)
    def _alone(self, world: World) -> None:
        world.reassembled = True
        cache.connect(settings(world.var, redis_url=""))

    def test_forgets_what_was_not_used_for_longest(self, clock: Clock) -> None:
        runs = []

        @cached(f"test-{uuid4()}", seconds=SECONDS)
        def letters(number: int) -> str:
            runs.append(number)
            return str(number) * 1_000_000

        for number in (1, 2, 3, 4, 5, 6, 7, 8, 1, 9, 1, 2):
            letters(number)

        assert runs == [1, 2, 3, 4, 5, 6, 7, 8, 9, 2]

    def test_keeps_nothing_larger_than_everything(self) -> None:
        @cached(f"test-{uuid4()}", seconds=SECONDS)
        def letters() -> str:
            return "x" * 9_000_000

        letters()

        assert cache._here._values.currsize == 0
