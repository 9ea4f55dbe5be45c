from collections.abc import Iterator

import pytest

from app.core.errors import Unavailable
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.infra import db, metrics
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.audit.test_audit_chain import tamper
from tests.stepup import a_key
from tests.world import World, counted_statements

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def shown(world: World) -> Iterator[Api]:
    """A client that may read the metrics of an application that has counted nothing yet."""
    app = world.with_settings(metrics_token=TOKEN)
    metrics.start()
    yield Api(app, TOKEN)
    metrics.stop()


def value(exposed: Api, sample: str) -> float | None:
    """Return the value of a sample, None if there is none."""
    lines = dict(line.rsplit(" ", 1) for line in exposed.get("/metrics").text.splitlines() if line[0] != "#")
    return float(lines[sample]) if sample in lines else None


class TestAccess:
    @pytest.mark.parametrize("sent", [None, "another token", "", "é"], ids=["none", "another", "empty", "no ASCII"])
    def test_without_the_token_there_is_nothing(self, shown: Api, sent: str | None) -> None:
        answer = Api(shown.app, sent).get("/metrics")

        assert (answer.status_code, answer.code) == (404, "NOT_FOUND")

    @pytest.mark.parametrize("sent", [None, "", TOKEN])
    def test_without_a_setting_there_is_nothing_for_anybody(self, api: Api, sent: str | None) -> None:
        assert Api(api.app, sent).get("/metrics").status_code == 404

    def test_with_the_token_they_are_text_for_prometheus(self, shown: Api) -> None:
        answer = shown.get("/metrics")

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"


class TestRequests:
    def test_are_counted_by_method_template_and_status(self, shown: Api) -> None:
        anybody = Api(shown.app)
        for _ in range(3):
            anybody.get("/api/v1/users/1")
        anybody.get("/api/v1/users/2?q=x")

        sample = 'http_requests_total{endpoint="/api/v1/users/<id:user_id>",method="GET",status="401"}'
        assert value(shown, sample) == 4

    def test_are_timed(self, shown: Api) -> None:
        Api(shown.app).get("/health")

        assert value(shown, 'http_request_duration_seconds_count{endpoint="/health",method="GET"}') == 1
        assert (value(shown, 'http_request_duration_seconds_sum{endpoint="/health",method="GET"}') or 0) > 0

    def test_to_unknown_places_share_one_label(self, shown: Api) -> None:
        for number in range(50):
            Api(shown.app).get(f"/nowhere/{number}")
            Api(shown.app).send(f"X{number}", f"/nowhere/{number}")

        samples = [line for line in shown.get("/metrics").text.splitlines() if line.startswith("http_requests_total")]
        assert value(shown, 'http_requests_total{endpoint="unmatched",method="GET",status="404"}') == 50
        assert len([line for line in samples if "unmatched" in line]) == 2
        assert "nowhere" not in "".join(samples)

    def test_that_fail_are_counted_by_code(self, shown: Api) -> None:
        Api(shown.app).get("/auth/me")
        Api(shown.app).post("/auth/login", {"username": "nobody", "password": "x"})

        assert value(shown, 'app_errors_total{type="UNAUTHENTICATED"}') == 1
        assert value(shown, 'app_errors_total{type="INVALID_CREDENTIALS"}') == 1


class TestFigures:
    def test_sign_ins_are_counted_as_they_end(self, shown: Api) -> None:
        person = a_user()
        Api(shown.app).as_(person)
        Api(shown.app).post("/auth/login", {"username": person.username, "password": "wrong"})

        assert value(shown, 'app_events_total{event="authn_login_success",outcome="success"}') == 1
        assert value(shown, 'app_events_total{event="authn_login_fail",outcome="failure"}') == 1

    def test_what_was_rolled_back_is_not_counted(self, shown: Api) -> None:
        person = a_user()
        taken = {"username": "another", "email": person.email, "password": person.password}
        counted = value(shown, 'app_events_total{event="user_created",outcome="success"}')

        Api(shown.app).post("/auth/register", taken)

        assert value(shown, 'app_events_total{event="user_created",outcome="success"}') == counted

    def test_show_users_and_who_was_here(self, shown: Api) -> None:
        Api(shown.app).as_(a_user())
        a_user(is_active=False)

        assert value(shown, 'app_users{state="active"}') == 1
        assert value(shown, 'app_users{state="disabled"}') == 1
        assert value(shown, 'app_active_users{window="day"}') == 1

    def test_show_who_registered_and_how_far_features_are_used(self, shown: Api, clock: Clock) -> None:
        guarded = a_user(email_verified=True)
        with db.unit_of_work():
            accounts.set_mfa_enabled(guarded.id, enabled=True)
        clock.advance(days=20)
        a_key(Api(shown.app), a_user())

        assert value(shown, 'app_registrations{window="day"}') == 1
        assert value(shown, 'app_registrations{window="month"}') == 2
        features = ("verified_email", "second_factor", "passkey", "api_key", "identity_provider")
        assert [value(shown, f'app_adoption{{feature="{name}"}}') for name in features] == [1, 1, 0, 1, 0]

    def test_are_read_from_the_database_once_in_fifteen_seconds(self, shown: Api, clock: Clock) -> None:
        with counted_statements() as statements:
            first = shown.get("/metrics")
            read = len(statements)
            again = [shown.get("/metrics") for _ in range(3)]

        assert first.status_code == again[-1].status_code == 200
        assert read > 5
        assert len(statements) == read
        assert value(shown, 'redis_cache_misses_total{cache="statistics"}') == 1
        assert value(shown, 'redis_cache_hits_total{cache="statistics"}') == 4

    def test_are_read_again_after_that(self, shown: Api, clock: Clock) -> None:
        shown.get("/metrics")
        a_user()
        before = value(shown, 'app_users{state="active"}')

        clock.advance(seconds=15)

        assert (before, value(shown, 'app_users{state="active"}')) == (0, 1)

    def test_of_a_database_that_is_away_are_not_kept(self, shown: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> None:
            raise Unavailable

        with monkeypatch.context() as patch:
            patch.setattr(accounts, "take_census", fail)
            away = value(shown, "app_figures_readable"), value(shown, 'app_users{state="active"}')

        assert away == (0, None)
        assert value(shown, "app_figures_readable") == 1

    def test_guesses_that_are_not_checked_are_counted_by_the_full_counter(self, shown: Api) -> None:
        person = a_user()
        for _ in range(7):
            Api(shown.app).post("/auth/login", {"username": person.username, "password": "wrong"})

        assert value(shown, 'throttle_refused_total{counter="pair"}') == 2

    def test_requests_beyond_a_quota_are_counted_by_its_name(self, world: World) -> None:
        app = world.with_settings(metrics_token=TOKEN, ratelimit_scale=1, ratelimit_anonymous="2/minute")
        metrics.start()
        for _ in range(5):
            Api(app).get("/api/v1/visits")

        refused = value(Api(app, TOKEN), 'ratelimit_refused_total{policy="anonymous"}')
        metrics.stop()

        assert refused == 3

    def test_show_that_the_audit_chain_was_not_verified_yet(self, shown: Api) -> None:
        assert value(shown, "audit_chain_intact") == 1
        assert value(shown, "audit_chain_verified_timestamp_seconds") == 0

    def test_show_when_the_audit_chain_was_verified(self, shown: Api, clock: Clock) -> None:
        audit.look()

        assert value(shown, "audit_chain_intact") == 1
        assert value(shown, "audit_chain_verified_timestamp_seconds") == clock.at.timestamp()

    def test_show_that_the_audit_chain_is_broken(self, shown: Api) -> None:
        Api(shown.app).as_(a_user())
        tamper("UPDATE audit_events SET outcome = 'failure'")
        audit.look()

        assert value(shown, "audit_chain_intact") == 0

    def test_statements_are_timed(self, shown: Api) -> None:
        before = value(shown, "database_query_duration_seconds_count") or 0
        a_user()

        assert (value(shown, "database_query_duration_seconds_count") or 0) > before

    def test_connections_are_given_back(self, shown: Api) -> None:
        Api(shown.app).as_(a_user())

        assert value(shown, "database_connections_active") in {0, 1}
        assert (value(shown, "database_connections_idle") or 0) >= 1
