import pytest

from tests.api import Answer, Api, a_user
from tests.conftest import Clock
from tests.features.auth.looks import buckets
from tests.features.auth.together import at_once
from tests.world import World


def register(api: Api, number: int) -> Answer:
    return api.post(
        "/auth/register",
        {"username": f"grace{number}", "email": f"g{number}@navy.test", "password": "SecurePass123!"},
    )


def limited(world: World, *, scale: float = 1, limit: str = "3/minute") -> Api:
    return Api(world.with_settings(ratelimit_scale=scale, ratelimit_register=limit))


class TestRegistrationLimit:
    def test_refuses_one_too_many(self, world: World, clock: Clock) -> None:
        api = limited(world)

        answers = [register(api, number) for number in range(4)]

        assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
        assert answers[3].code == "TOO_MANY_ATTEMPTS"
        assert answers[3].headers["Retry-After"] == "60"

    def test_lets_exactly_so_many_through_at_once(self, world: World) -> None:
        api = limited(world)

        answers = at_once(10, lambda number: register(api, number))

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 7

    def test_counts_those_that_fail(self, world: World) -> None:
        api = limited(world)
        a_user(username="grace0")

        answers = [register(api, 0) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [409, 409, 409, 429]

    def test_counts_each_address_by_itself(self, world: World) -> None:
        api = limited(world, limit="1/minute")
        register(api, 1)

        assert register(api, 2).status_code == 429
        assert register(api.at("192.0.2.7"), 3).status_code == 201

    def test_passes_with_its_window(self, world: World, clock: Clock) -> None:
        api = limited(world, limit="1/minute")
        register(api, 1)
        clock.advance(seconds=59)
        assert register(api, 2).status_code == 429

        clock.advance(seconds=1)

        assert register(api, 3).status_code == 201

    def test_grows_with_the_scale(self, world: World) -> None:
        api = limited(world, scale=2, limit="1/minute")

        statuses = [register(api, number).status_code for number in range(3)]

        assert statuses == [201, 201, 429]

    def test_is_not_switched_off_by_a_small_scale(self, world: World) -> None:
        api = limited(world, scale=0.01, limit="30/minute")

        statuses = [register(api, number).status_code for number in range(2)]

        assert statuses == [201, 429]

    def test_is_switched_off_by_scale_0(self, world: World) -> None:
        api = limited(world, scale=0, limit="1/minute")

        statuses = [register(api, number).status_code for number in range(3)]

        assert statuses == [201, 201, 201]
        assert buckets() == {}

    @pytest.mark.parametrize("username", ["ab", "admin"], ids=["malformed", "reserved"])
    def test_does_not_count_what_is_not_valid(self, world: World, username: str) -> None:
        api = limited(world, limit="1/minute")
        body = {"username": username, "email": "g@navy.test", "password": "SecurePass123!"}
        assert api.post("/auth/register", body).status_code == 422

        assert register(api, 1).status_code == 201
