from datetime import UTC, datetime

import pytest

from tests.api import Answer, Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.forge import claims_of
from tests.features.auth.looks import audited, live_sessions_of, sessions_of, set_user
from tests.features.auth.together import at_once


def signed_in(api: Api) -> Person:
    person = a_user()
    api.sign_in(person)
    return person


def refresh(api: Api, token: str | None) -> Answer:
    return api.post("/auth/refresh", {"refresh_token": token})


def next_token(api: Api, token: str | None) -> str:
    return str(refresh(api, token).result["refresh_token"])


class TestRefresh:
    def test_answers_as_sign_in_does(self, api: Api) -> None:
        grace = a_user()
        at_sign_in = api.sign_in(grace).result

        answer = refresh(api, grace.refresh_token)

        assert answer.status_code == 200
        assert answer.result.keys() == at_sign_in.keys()
        assert answer.result["user"] == at_sign_in["user"]
        assert answer.result["access_token"] != at_sign_in["access_token"]
        assert answer.result["refresh_token"] != at_sign_in["refresh_token"]

    def test_keeps_the_session(self, api: Api) -> None:
        grace = signed_in(api)

        answer = refresh(api, grace.refresh_token)

        new, old = Api(api.app, answer.result["access_token"]), api.as_(grace)
        assert new.get("/auth/me").status_code == old.get("/auth/me").status_code == 200
        assert [session.gen for session in live_sessions_of(grace)] == [1]

    def test_takes_the_token_as_bearer(self, api: Api) -> None:
        grace = signed_in(api)

        answer = api.post("/auth/refresh", headers={"Authorization": f"Bearer {grace.refresh_token}"})

        assert answer.status_code == 200
        assert claims_of(answer.result["refresh_token"])["gen"] == 1

    def test_prefers_the_body_to_an_access_token_beside_it(self, api: Api) -> None:
        grace = signed_in(api)

        answer = refresh(api.as_(grace), grace.refresh_token)

        assert answer.status_code == 200

    def test_shows_the_user_as_they_are_now(self, api: Api) -> None:
        grace = signed_in(api)
        api.as_(grace).patch("/auth/me", {"first_name": "Amazing"})

        answer = refresh(api, grace.refresh_token)

        assert answer.result["user"]["first_name"] == "Amazing"

    def test_is_audited(self, api: Api) -> None:
        grace = signed_in(api)

        refresh(api, grace.refresh_token)

        event = audited("authn_token_created")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.type) == (str(grace.id), "session")

    def test_notes_where_it_came_from(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        clock.advance(minutes=5)

        refresh(api.at("192.0.2.7"), grace.refresh_token)

        session = live_sessions_of(grace)[0]
        assert (session.ip, session.last_used_at) == ("192.0.2.7", clock.at)


class TestParallelRefreshes:
    def test_of_sixteen_one_rotates_and_all_get_the_same(self, api: Api) -> None:
        grace = signed_in(api)

        answers = at_once(16, lambda _: refresh(api, grace.refresh_token))

        assert [answer.status_code for answer in answers] == [200] * 16
        assert len({answer.result["refresh_token"] for answer in answers}) == 1
        assert len({answer.result["access_token"] for answer in answers}) == 1
        assert [session.gen for session in live_sessions_of(grace)] == [1]
        assert len(audited("authn_token_created")) == 1

    def test_continue_from_what_they_all_got(self, api: Api) -> None:
        grace = signed_in(api)
        answers = at_once(4, lambda _: refresh(api, grace.refresh_token))

        again = refresh(api, answers[3].result["refresh_token"])

        assert again.status_code == 200
        assert [session.gen for session in live_sessions_of(grace)] == [2]


class TestLostReply:
    def test_is_sent_again_within_ten_seconds(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        first = refresh(api, grace.refresh_token)
        clock.advance(seconds=10)

        again = refresh(api, grace.refresh_token)

        assert again.status_code == 200
        assert again.result["refresh_token"] == first.result["refresh_token"]
        assert [session.gen for session in live_sessions_of(grace)] == [1]

    def test_is_a_reuse_after_ten_seconds(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        refresh(api, grace.refresh_token)
        clock.advance(seconds=10.001)

        again = refresh(api, grace.refresh_token)

        assert (again.status_code, again.code) == (401, "REFRESH_TOKEN_REUSED")


class TestReuse:
    def test_ends_the_session_at_once(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        stolen = grace.refresh_token
        current = refresh(api, stolen).result
        clock.advance(seconds=11)

        reused = refresh(api, stolen)

        assert (reused.status_code, reused.code) == (401, "REFRESH_TOKEN_REUSED")
        assert reused.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
        assert api.as_(grace).get("/auth/me").status_code == 401
        assert Api(api.app, current["access_token"]).get("/auth/me").status_code == 401
        refused = refresh(api, current["refresh_token"])
        assert (refused.status_code, refused.code) == (401, "INVALID_TOKEN")

    def test_is_noticed_within_ten_seconds_if_two_generations_old(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        next_token(api, next_token(api, grace.refresh_token))

        answer = refresh(api, grace.refresh_token)

        assert answer.code == "REFRESH_TOKEN_REUSED"
        assert live_sessions_of(grace) == []

    def test_leaves_other_sessions_alone(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        stolen = grace.refresh_token
        next_token(api, stolen)
        api.sign_in(grace)
        clock.advance(seconds=11)

        refresh(api, stolen)

        assert api.as_(grace).get("/auth/me").status_code == 200

    def test_is_audited_once_although_the_request_is_rolled_back(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        refresh(api, grace.refresh_token)
        clock.advance(seconds=11)

        answers = at_once(8, lambda _: refresh(api, grace.refresh_token))

        assert {answer.status_code for answer in answers} == {401}
        events = audited("authn_token_reuse")
        assert len(events) == 1
        assert events[0].outcome == "failure"
        assert events[0].actor is not None
        assert events[0].target is not None
        session = sessions_of(grace)[0]
        assert (events[0].actor.id, events[0].target.id) == (str(grace.id), str(session.id))
        assert session.revoke_reason == "token_reuse"


class TestRefused:
    def test_without_a_token(self, api: Api) -> None:
        answer = api.post("/auth/refresh")

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"refresh_token": None},
            {"refresh_token": 1},
            {"refresh_token": ["x"]},
            {"refresh_token": "x" * 4097},
            {"refresh_token": "x", "user_id": 1},
        ],
        ids=lambda body: repr(body)[:40],
    )
    def test_with_a_body_that_is_not_one_token(self, api: Api, body: dict[str, object]) -> None:
        assert api.post("/auth/refresh", body).status_code == 422

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00e9.\u00e9.\u00e9", "x" * 4096], ids=len)
    def test_with_what_is_no_token(self, api: Api, token: str) -> None:
        answer = refresh(api, token)

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    def test_with_an_access_token(self, api: Api) -> None:
        grace = signed_in(api)

        in_body = refresh(api, grace.access_token)
        as_bearer = api.as_(grace).post("/auth/refresh")

        assert (in_body.status_code, in_body.code) == (401, "INVALID_TOKEN")
        assert (as_bearer.status_code, as_bearer.code) == (401, "INVALID_TOKEN")

    def test_after_signing_out(self, api: Api) -> None:
        grace = signed_in(api)
        api.as_(grace).post("/auth/logout")

        answer = refresh(api, grace.refresh_token)

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("columns", [{"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}])
    def test_while_the_user_may_not_come_in(self, api: Api, columns: dict[str, object]) -> None:
        grace = signed_in(api)
        set_user(grace, **columns)

        answer = refresh(api, grace.refresh_token)

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")
        assert [session.gen for session in live_sessions_of(grace)] == [0]

    def test_for_good_once_an_administrator_disabled_the_user(self, api: Api) -> None:
        grace, admin = signed_in(api), api.as_(an_admin())
        admin.patch(f"/api/v1/users/{grace.id}", {"is_active": False})
        admin.patch(f"/api/v1/users/{grace.id}", {"is_active": True})

        answer = refresh(api, grace.refresh_token)

        assert answer.status_code == 401
        assert live_sessions_of(grace) == []


class TestExpiry:
    def test_is_absolute(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        ends_at = claims_of(grace.refresh_token)["exp"]
        clock.advance(days=29)

        answer = refresh(api, grace.refresh_token)

        assert claims_of(answer.result["refresh_token"])["exp"] == ends_at
        assert answer.result["refresh_expires_in"] == 86_400
        clock.advance(days=1)
        assert refresh(api, answer.result["refresh_token"]).status_code == 401

    def test_bounds_the_access_token(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        clock.advance(days=29, hours=23, minutes=50)

        answer = refresh(api, grace.refresh_token)

        assert answer.result["expires_in"] == 600
        clock.advance(minutes=10)
        assert Api(api.app, answer.result["access_token"]).get("/auth/me").status_code == 401

    def test_of_the_access_token_is_an_hour(self, api: Api, clock: Clock) -> None:
        grace = signed_in(api)
        clock.advance(seconds=3599)
        assert api.as_(grace).get("/auth/me").status_code == 200

        clock.advance(seconds=1)

        assert api.as_(grace).get("/auth/me").status_code == 401
        assert refresh(api, grace.refresh_token).status_code == 200
