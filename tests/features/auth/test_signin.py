import json

import pytest

from tests.api import Api, Person, a_user, an_admin
from tests.features.auth.looks import audited, live_sessions_of, set_user, the_trail
from tests.features.auth.together import at_once
from tests.world import PASSWORD, counted_statements


def a_user_without_password(api: Api) -> Person:
    body = {"username": "nopass", "email": "nopass@people.test"}
    made = api.as_(an_admin()).post("/api/v1/users", body).result
    return Person(made["id"], made["username"], made["email"])


class TestLogin:
    def test_answers_with_tokens_and_the_user(self, api: Api) -> None:
        grace = a_user(username="grace", email="Grace@navy.test", first_name="Grace")

        answer = api.post("/auth/login", {"username": "grace", "password": PASSWORD})

        assert answer.status_code == 200
        assert set(answer.result) == {
            "access_token",
            "refresh_token",
            "token_type",
            "expires_in",
            "refresh_expires_in",
            "user",
        }
        assert answer.result["token_type"] == "Bearer"
        assert answer.result["expires_in"] == 3600
        assert answer.result["refresh_expires_in"] == 2_592_000
        assert answer.result["user"].items() >= {"id": grace.id, "email": "Grace@navy.test"}.items()
        assert set(answer.result["user"]) == {
            "id",
            "username",
            "email",
            "email_verified",
            "first_name",
            "last_name",
            "is_active",
            "roles",
            "created_at",
            "updated_at",
        }

    @pytest.mark.parametrize(
        "named",
        [
            {"email": "Grace@navy.test"},
            {"email": "gRACE@NAVY.TEST"},
            {"username": "Grace"},
            {"username": "gRACE"},
        ],
        ids=lambda named: "-".join(*named.items()),
    )
    def test_knows_an_account_by_address_or_username_in_any_case(self, api: Api, named: dict[str, str]) -> None:
        grace = a_user(username="Grace", email="Grace@navy.test")

        answer = api.post("/auth/login", {**named, "password": PASSWORD})

        assert answer.result["user"]["id"] == grace.id

    @pytest.mark.parametrize(
        "body",
        [
            {"username": "grace", "email": "grace@navy.test", "password": PASSWORD},
            {"password": PASSWORD},
            {"username": "grace"},
            {"username": "", "password": PASSWORD},
            {"username": None, "password": PASSWORD},
            {"username": "grace", "password": ""},
            {"username": "grace", "password": None},
            {"username": "grace", "password": {"$ne": ""}},
            {"username": ["grace"], "password": PASSWORD},
            {"username": 1, "password": PASSWORD},
            {"username": "grace", "password": PASSWORD, "remember": True},
            {"username": "g" * 255, "password": PASSWORD},
            {"username": "grace", "password": "x" * 129},
            [],
            "grace",
            None,
        ],
        ids=repr,
    )
    def test_refuses_a_body_that_does_not_name_one_account_and_one_password(self, api: Api, body: object) -> None:
        a_user(username="grace", email="grace@navy.test")

        answer = api.post("/auth/login", data=json.dumps(body).encode())

        assert (answer.status_code, answer.code) == (422, "VALIDATION_ERROR")
        assert answer.details

    def test_begins_a_session_of_its_own_each_time(self, api: Api) -> None:
        grace = a_user()

        first, second = api.sign_in(grace).result, api.sign_in(grace).result

        assert first["access_token"] != second["access_token"]
        assert len(live_sessions_of(grace)) == 2

    def test_serves_parallel_sign_ins(self, api: Api) -> None:
        grace = a_user()
        body = {"username": grace.username, "password": PASSWORD}

        answers = at_once(4, lambda _: api.post("/auth/login", body))

        assert [answer.status_code for answer in answers] == [200] * 4
        assert len(live_sessions_of(grace)) == 4

    def test_is_audited(self, api: Api) -> None:
        grace = a_user()

        api.post(
            "/auth/login",
            {"username": grace.username, "password": PASSWORD},
            headers={"User-Agent": "test/1", "X-Request-ID": "request-0001"},
        )

        event = audited("authn_login_success")[0]
        session = live_sessions_of(grace)[0]
        assert event.outcome == "success"
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.type, event.actor.id) == ("user", str(grace.id))
        assert (event.target.type, event.target.id) == ("session", str(session.id))
        assert (event.ip, event.user_agent, event.request_id) == ("127.0.0.1", "test/1", "request-0001")
        assert event.detail == {"methods": ["pwd"]}


class TestRefusal:
    def test_is_the_same_for_unknown_and_wrong(self, api: Api) -> None:
        grace = a_user()

        wrong = api.post("/auth/login", {"username": grace.username, "password": "wrong"})
        unknown = api.post("/auth/login", {"username": "nobody-here", "password": "wrong"})

        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json["error"] == unknown.json["error"]
        assert wrong.code == "INVALID_CREDENTIALS"
        assert set(wrong.headers.keys()) == set(unknown.headers.keys())
        assert wrong.headers["WWW-Authenticate"] == unknown.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    def test_costs_the_same_for_unknown_and_wrong(self, api: Api, hashings: list[str]) -> None:
        grace = a_user()
        api.post("/auth/login", {"username": "nobody-there", "password": "wrong"})
        hashings.clear()

        with counted_statements() as for_wrong:
            api.post("/auth/login", {"username": grace.username, "password": "wrong"})
        with counted_statements() as for_unknown:
            api.post("/auth/login", {"username": "nobody-here", "password": "wrong"})

        assert for_wrong == for_unknown
        assert len(hashings) == 2
        assert _parameters(hashings[0]) == _parameters(hashings[1])

    @pytest.mark.parametrize(
        "name",
        ["' OR 1=1 --", "%", "*", "grace\x07", "\u202egrace", "gr\u0430ce", "grace@navy.test.evil.test"],
        ids=repr,
    )
    def test_knows_nobody_by_a_trick(self, api: Api, name: str) -> None:
        a_user(username="grace", email="grace@navy.test")

        answer = api.post("/auth/login", {"username": name, "password": PASSWORD})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")

    @pytest.mark.parametrize("typed", [f" {PASSWORD}", f"{PASSWORD} ", PASSWORD.lower()], ids=repr)
    def test_takes_a_password_as_it_is(self, api: Api, typed: str) -> None:
        grace = a_user()

        answer = api.post("/auth/login", {"username": grace.username, "password": typed})

        assert answer.status_code == 401

    def test_hides_a_disabled_account_from_those_who_do_not_know_its_password(self, api: Api) -> None:
        banned = a_user(is_active=False)

        wrong = api.post("/auth/login", {"username": banned.username, "password": "wrong"})
        right = api.post("/auth/login", {"username": banned.username, "password": PASSWORD})

        assert (wrong.status_code, wrong.code) == (401, "INVALID_CREDENTIALS")
        assert (right.status_code, right.code) == (403, "ACCOUNT_DISABLED")
        assert live_sessions_of(banned) == []

    def test_forgets_the_deleted_until_they_are_restored(self, api: Api) -> None:
        gone, admin = a_user(), api.as_(an_admin())
        admin.delete(f"/api/v1/users/{gone.id}")
        body = {"username": gone.username, "password": PASSWORD}

        refused = api.post("/auth/login", body)
        admin.post(f"/api/v1/users/{gone.id}/restore")
        welcome = api.post("/auth/login", body)

        assert (refused.status_code, refused.code) == (401, "INVALID_CREDENTIALS")
        assert welcome.status_code == 200

    @pytest.mark.parametrize("password", [PASSWORD, "None", "null", "what nobody's password is compared with"])
    def test_lets_nobody_in_who_has_no_password(self, api: Api, password: str) -> None:
        person = a_user_without_password(api)

        answer = api.post("/auth/login", {"username": person.username, "password": password})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")

    def test_is_audited_although_the_request_is_rolled_back(self, api: Api) -> None:
        grace = a_user()

        api.post("/auth/login", {"username": grace.username, "password": "wrong"})

        event = audited("authn_login_fail")[0]
        assert event.outcome == "failure"
        assert event.actor is None
        assert event.target is not None
        assert (event.target.type, event.target.id) == ("user", str(grace.id))
        assert event.detail == {"code": "INVALID_CREDENTIALS"}

    def test_of_an_unknown_account_is_audited_without_its_name(self, api: Api) -> None:
        api.post("/auth/login", {"email": "typed-in@navy.test", "password": "typed-in-password"})

        assert [event.target for event in audited("authn_login_fail")] == [None]
        assert "typed-in" not in the_trail()

    def test_of_a_disabled_account_is_audited_as_such(self, api: Api) -> None:
        banned = a_user(is_active=False)

        api.post("/auth/login", {"username": banned.username, "password": PASSWORD})

        assert audited("authn_login_fail")[0].detail == {"code": "ACCOUNT_DISABLED"}

    def test_of_one_disabled_behind_our_back_begins_no_session(self, api: Api) -> None:
        grace = a_user()
        set_user(grace, is_active=False)

        answer = api.post("/auth/login", {"email": grace.email, "password": PASSWORD})

        assert answer.code == "ACCOUNT_DISABLED"
        assert live_sessions_of(grace) == []


def _parameters(hashed: str) -> list[str]:
    return hashed.split("$")[:4]
