import pytest

from app.core.config import Settings
from app.web import limits
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.web.answers import PROBLEM, failure, problem
from tests.web.quotas import LOGIN, ME, NOBODY, RATE_HEADERS, VISITS, rates, serving, statuses
from tests.world import World

pytestmark = pytest.mark.usefixtures("_mid_window")


class TestHeaders:
    def test_tell_what_is_left(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="3/minute")

        first, second = api.get(VISITS), api.get(VISITS)

        assert rates(first) == {
            "RateLimit-Policy": '"anonymous";q=3;w=60',
            "RateLimit": '"anonymous";r=2;t=40',
            "X-RateLimit-Limit": "3",
            "X-RateLimit-Remaining": "2",
            "X-RateLimit-Reset": "40",
        }
        assert rates(second)["RateLimit"] == '"anonymous";r=1;t=40'

    def test_tell_of_each_quota_that_holds(self, world: World) -> None:
        api = serving(world, ratelimit_login="2/hour", ratelimit_anonymous="9/minute")

        answer = api.post(LOGIN, NOBODY)

        told = rates(answer)
        assert told["RateLimit-Policy"] == '"anonymous";q=9;w=60, "login";q=2;w=3600'
        assert told["RateLimit"] == '"anonymous";r=8;t=40, "login";r=1;t=1180'
        assert (told["X-RateLimit-Limit"], told["X-RateLimit-Remaining"]) == ("2", "1")
        assert told["X-RateLimit-Reset"] == "1180"

    def test_are_on_refusals_with_the_time_to_come_back(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")
        api.get(VISITS)

        refused = api.get(VISITS)

        assert failure(refused, 429, "RATE_LIMITED") == {}
        assert refused.headers["Retry-After"] == "40"
        assert rates(refused)["X-RateLimit-Remaining"] == "0"
        assert rates(refused)["RateLimit"] == '"anonymous";r=0;t=40'

    def test_say_to_come_back_on_refusals_only(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="5/minute")

        answers = [api.get(VISITS), api.get(ME), api.post(LOGIN, data=b"{"), api.post(LOGIN, {})]

        assert statuses(answers) == [200, 401, 400, 422]
        assert ["Retry-After" in answer.headers for answer in answers] == [False] * 4
        assert [set(rates(answer)) for answer in answers] == [RATE_HEADERS] * 4

    def test_are_sent_once_each(self, world: World) -> None:
        api = serving(world)

        answer = api.post(LOGIN, NOBODY)

        assert {name: len(answer.headers.getlist(name)) for name in RATE_HEADERS} == dict.fromkeys(RATE_HEADERS, 1)

    def test_of_a_user_name_the_quota_of_users(self, world: World) -> None:
        api = serving(world)

        answer = api.as_(a_user()).get(ME)

        assert rates(answer)["RateLimit-Policy"] == '"default";q=600;w=60'

    def test_of_a_refusal_are_there_in_the_other_form_too(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")
        api.get(VISITS)

        refused = api.get(VISITS, headers={"Accept": PROBLEM})

        assert problem(refused, 429, "RATE_LIMITED") == []
        assert refused.headers["Retry-After"] == "40"


class TestWindow:
    def test_begins_anew_when_it_is_over(self, world: World, clock: Clock) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")
        before = [api.get(VISITS), api.get(VISITS)]

        clock.advance(seconds=40)

        assert statuses([*before, api.get(VISITS), api.get(VISITS)]) == [200, 429, 200, 429]

    def test_is_not_over_a_second_earlier(self, world: World, clock: Clock) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")
        api.get(VISITS)

        clock.advance(seconds=39)
        refused = api.get(VISITS)

        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"

    def test_may_be_of_several_units(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="5 per 2 hours")

        assert rates(api.get(VISITS))["RateLimit-Policy"] == '"anonymous";q=5;w=7200'


class TestScale:
    def test_of_0_switches_everything_off(self, world: World) -> None:
        api = Api(world.with_settings(ratelimit_scale=0, ratelimit_anonymous="1/minute", ratelimit_login="1/minute"))

        answers = [*(api.get(VISITS) for _ in range(3)), *(api.post(LOGIN, NOBODY) for _ in range(3))]

        assert statuses(answers) == [200, 200, 200, 401, 401, 401]
        assert [rates(answer) for answer in answers] == [{}] * 6

    @pytest.mark.parametrize(("scale", "quota"), [(2, "20"), (0.5, "5"), (0.25, "2"), (0.001, "1")], ids=str)
    def test_is_a_factor_that_leaves_at_least_one(self, world: World, scale: float, quota: str) -> None:
        api = Api(world.with_settings(ratelimit_scale=scale, ratelimit_anonymous="10/minute"))

        assert rates(api.get(VISITS))["X-RateLimit-Limit"] == quota


def test_quotas_are_those_of_the_settings() -> None:
    limits.connect(Settings(_env_file=None, ratelimit_scale=1))
    read = {name: (policy.amount, policy.seconds) for name, policy in limits._policies.items()}
    limits.connect(Settings(_env_file=None, ratelimit_scale=0))

    assert read == {"default": (600, 60), "anonymous": (300, 60), "login": (10, 60)}
    assert limits._policies == {}
