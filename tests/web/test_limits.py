import pytest

from app.web.application import Routes
from app.web.caller import authenticated, public
from app.web.limits import limited
from app.web.schemas import returns
from tests.api import a_user, an_admin
from tests.stepup import a_key, as_another, with_key
from tests.web.quotas import LOGIN, ME, NOBODY, VISITS, rates, serving, statuses
from tests.world import World

pytestmark = pytest.mark.usefixtures("_mid_window")


class TestAnonymous:
    def test_requests_are_counted_by_address(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="3/minute")

        here = [api.get(VISITS) for _ in range(4)]
        elsewhere = api.at("192.0.2.7").get(VISITS)

        assert statuses([*here, elsewhere]) == [200, 200, 200, 429, 200]

    def test_requests_of_ipv6_are_counted_by_the_64(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="2/minute")

        answers = [api.at(f"2001:db8:1:2::{number}").get(VISITS) for number in range(1, 4)]
        neighbour = api.at("2001:db8:1:3::1").get(VISITS)

        assert statuses([*answers, neighbour]) == [200, 200, 429, 200]

    def test_requests_cannot_be_spread_by_a_forged_header(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="2/minute")

        answers = [api.get(VISITS, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(3)]

        assert statuses(answers) == [200, 200, 429]

    def test_requests_through_our_proxy_are_counted_by_their_own_address(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="1/minute", trusted_proxies="127.0.0.1")

        answers = [api.get(VISITS, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in (1, 2, 1)]

        assert statuses(answers) == [200, 200, 429]

    def test_requests_to_all_routes_count_together(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="3/minute")

        answers = [api.get(path) for path in (VISITS, "/openapi.json", "/docs", "/")]

        assert statuses(answers) == [200, 200, 200, 429]

    def test_requests_with_dead_tokens_count_too(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="2/minute", ratelimit_default="9/minute")

        answers = [api.get(ME, headers={"Authorization": "Bearer x"}) for _ in range(3)]

        assert statuses(answers) == [401, 401, 429]

    def test_requests_are_answered_429_before_401(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")

        assert statuses([api.get(ME), api.get(ME)]) == [401, 429]


class TestSignedIn:
    def test_requests_are_counted_by_user_wherever_they_come_from(self, world: World) -> None:
        api = serving(world, ratelimit_default="3/minute")
        grace, ada = api.as_(a_user()), api.as_(a_user())

        hers = [grace.at(address).get(ME) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")]
        others = ada.at("192.0.2.4").get(ME)

        assert statuses([*hers, others]) == [200, 200, 200, 429, 200]

    def test_requests_are_counted_over_all_sessions(self, world: World) -> None:
        api = serving(world, ratelimit_default="2/minute")
        grace = a_user()
        clients = []
        for _ in range(3):
            grace.access_token = None
            clients.append(api.as_(grace))

        assert statuses([client.get(ME) for client in clients]) == [200, 200, 429]

    def test_requests_do_not_use_up_the_quota_of_the_address(self, world: World) -> None:
        api = serving(world, ratelimit_default="9/minute", ratelimit_anonymous="3/minute")
        grace = api.as_(a_user())

        answers = [*(grace.get(ME) for _ in range(5)), api.get(VISITS), api.get(VISITS)]

        assert statuses(answers) == [200] * 7

    def test_requests_are_answered_429_before_403(self, world: World) -> None:
        api = serving(world, ratelimit_default="1/minute")
        grace = api.as_(a_user())

        assert statuses([grace.get("/api/v1/users"), grace.get("/api/v1/users")]) == [403, 429]


class TestSignIn:
    def test_has_a_quota_on_top(self, world: World) -> None:
        api = serving(world, ratelimit_login="2/minute", ratelimit_anonymous="9/minute")

        answers = [*(api.post(LOGIN, NOBODY) for _ in range(3)), api.get(VISITS)]

        assert statuses(answers) == [401, 401, 429, 200]
        assert answers[2].json["error"]["message"].startswith("Too many requests: 2 in 60 s.")

    def test_counts_for_the_general_quota_too(self, world: World) -> None:
        api = serving(world, ratelimit_login="9/minute", ratelimit_anonymous="2/minute")

        assert statuses([api.get(VISITS), api.post(LOGIN, NOBODY), api.post(LOGIN, NOBODY)]) == [200, 401, 429]

    def test_is_limited_before_its_body_is_read(self, world: World) -> None:
        api = serving(world, ratelimit_login="1/minute")

        assert statuses([api.post(LOGIN, data=b"{"), api.post(LOGIN, data=b"{")]) == [400, 429]


class TestExempt:
    @pytest.mark.parametrize("path", ["/health", "/healthz", "/readiness", "/static/page.css", "/static/docs/docs.js"])
    def test_probes_and_files_are_answered_always(self, world: World, path: str) -> None:
        api = serving(world, ratelimit_anonymous="1/minute")
        used_up = [api.get(VISITS), api.get(VISITS)]

        answers = [api.get(path) for _ in range(3)]

        assert statuses(used_up) == [200, 429]
        assert statuses(answers) == [200, 200, 200]
        assert [rates(answer) for answer in answers] == [{}] * 3


class TestLimited:
    @pytest.fixture
    def routes(self) -> Routes:
        routes = Routes("throwaway", __name__)

        @routes.get("/narrow")
        @public
        @limited("login")
        @returns(status=204)
        def narrow() -> None:
            """Have a quota of its own."""

        @routes.get("/narrow/for-users")
        @authenticated
        @limited("login")
        @returns(status=204)
        def narrow_for_users() -> None:
            """Have a quota of its own, by user."""

        return routes

    def test_views_share_a_quota_by_its_name(self, world: World, routes: Routes) -> None:
        api = serving(world, ratelimit_login="2/minute")
        api.app.register_blueprint(routes)

        answers = [api.get("/narrow"), api.post(LOGIN, NOBODY), api.get("/narrow")]

        assert statuses(answers) == [204, 401, 429]

    def test_views_count_users_where_there_are_any(self, world: World, routes: Routes) -> None:
        api = serving(world, ratelimit_login="2/minute")
        api.app.register_blueprint(routes)
        grace = api.as_(a_user())

        answers = [grace.at(f"192.0.2.{number}").get("/narrow/for-users") for number in range(3)]

        assert statuses(answers) == [204, 204, 429]


class TestKeys:
    def test_requests_are_counted_by_key_and_not_by_owner(self, world: World) -> None:
        api = serving(world, ratelimit_default="3/minute")
        grace = a_user()
        first, second = (with_key(api, a_key(api, grace)) for _ in range(2))

        answers = [*(first.at(f"192.0.2.{number}").get(ME) for number in range(4)), second.get(ME)]

        assert statuses(answers) == [200, 200, 200, 429, 200]

    def test_requests_with_dead_keys_are_counted_by_address(self, world: World) -> None:
        api = serving(world, ratelimit_anonymous="2/minute")

        assert statuses([api.get(ME, headers={"X-API-Key": "ak_x"}) for _ in range(3)]) == [401, 401, 429]


class TestImpersonators:
    def test_do_not_use_up_the_quota_of_the_user(self, world: World) -> None:
        api = serving(world, ratelimit_default="2/minute")
        grace, admin = a_user(), an_admin()
        acting = as_another(api, admin, grace)

        answers = [*(acting.get(ME) for _ in range(3)), api.as_(grace).get(ME)]

        assert statuses(answers) == [200, 200, 429, 200]
