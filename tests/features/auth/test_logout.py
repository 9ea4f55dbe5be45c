import pytest

from tests.api import Api, Person, a_user
from tests.features.auth.looks import audited, live_sessions_of, sessions_of
from tests.features.auth.together import at_once


def at_three_places(api: Api) -> tuple[Person, list[Api]]:
    person = a_user()
    clients = []
    for _ in range(3):
        api.sign_in(person)
        clients.append(api.as_(person))
    return person, clients


def who_is_in(clients: list[Api]) -> list[int]:
    return [client.get("/auth/me").status_code for client in clients]


class TestScope:
    @pytest.mark.parametrize(
        ("path", "after"),
        [
            ("/auth/logout", [200, 200, 401]),
            ("/auth/logout?scope=local", [200, 200, 401]),
            ("/auth/logout?scope=others", [401, 401, 200]),
            ("/auth/logout?scope=global", [401, 401, 401]),
        ],
    )
    def test_says_which_sessions_end(self, api: Api, path: str, after: list[int]) -> None:
        _, clients = at_three_places(api)

        answer = clients[2].post(path)

        assert (answer.status_code, answer.data) == (204, b"")
        assert who_is_in(clients) == after

    @pytest.mark.parametrize(
        ("scope", "after"),
        [("local", [200, 200, 401]), ("others", [401, 401, 200]), ("global", [401, 401, 401])],
    )
    def test_means_the_same_with_a_refresh_token_only(self, api: Api, scope: str, after: list[int]) -> None:
        person, clients = at_three_places(api)

        answer = api.post(f"/auth/logout?scope={scope}", {"refresh_token": person.refresh_token})

        assert answer.status_code == 204
        assert who_is_in(clients) == after

    @pytest.mark.parametrize("scope", ["local", "others", "global"])
    def test_never_reaches_another_user(self, api: Api, scope: str) -> None:
        bobs = api.as_(a_user())

        api.as_(a_user()).post(f"/auth/logout?scope={scope}")

        assert bobs.get("/auth/me").status_code == 200

    @pytest.mark.parametrize("query", ["scope=all", "scope=", "scope=LOCAL", "everywhere=1"])
    def test_is_one_of_three(self, api: Api, query: str) -> None:
        hers = api.as_(a_user())

        assert hers.post(f"/auth/logout?{query}").status_code == 422
        assert hers.get("/auth/me").status_code == 200


class TestLogout:
    def test_ends_the_refresh_token_too(self, api: Api) -> None:
        person = a_user()
        api.as_(person).post("/auth/logout")

        answer = api.post("/auth/refresh", {"refresh_token": person.refresh_token})

        assert answer.status_code == 401

    def test_with_both_tokens_ends_their_session(self, api: Api) -> None:
        person = a_user()
        hers = api.as_(person)

        answer = hers.post("/auth/logout", {"refresh_token": person.refresh_token})

        assert answer.status_code == 204
        assert live_sessions_of(person) == []

    def test_with_a_dead_access_token_and_a_live_refresh_token_ends_the_session(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)

        answer = api.post(
            "/auth/logout",
            {"refresh_token": person.refresh_token},
            headers={"Authorization": "Bearer expired.long.ago"},
        )

        assert answer.status_code == 204
        assert live_sessions_of(person) == []

    def test_with_a_dead_refresh_token_is_no_error(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)
        body = {"refresh_token": person.refresh_token}

        answers = [api.post("/auth/logout", body).status_code for _ in range(2)]

        assert answers == [204, 204]

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00e9"])
    def test_with_what_never_was_a_refresh_token_is_no_error(self, api: Api, token: str) -> None:
        assert api.post("/auth/logout", {"refresh_token": token}).status_code == 204

    def test_with_a_refresh_token_of_an_older_generation_ends_the_session(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)
        api.post("/auth/refresh", {"refresh_token": person.refresh_token})

        api.post("/auth/logout", {"refresh_token": person.refresh_token})

        assert live_sessions_of(person) == []

    def test_takes_no_access_token_for_a_refresh_token(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)

        api.post("/auth/logout", {"refresh_token": person.access_token})

        assert len(live_sessions_of(person)) == 1

    def test_takes_no_refresh_token_as_bearer(self, api: Api) -> None:
        person = a_user()
        api.sign_in(person)

        answer = Api(api.app, person.refresh_token).post("/auth/logout")

        assert answer.status_code == 401
        assert len(live_sessions_of(person)) == 1

    def test_without_credentials_is_401(self, api: Api) -> None:
        answer = api.post("/auth/logout")

        assert (answer.status_code, answer.code) == (401, "UNAUTHENTICATED")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    def test_twice_with_the_same_access_token_is_401(self, api: Api) -> None:
        hers = api.as_(a_user())
        hers.post("/auth/logout")

        answer = hers.post("/auth/logout")

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'

    @pytest.mark.parametrize("body", [{}, {"refresh_token": 1}, {"token": "x"}], ids=repr)
    def test_refuses_a_body_that_is_not_one_token(self, api: Api, body: dict[str, object]) -> None:
        hers = api.as_(a_user())

        assert hers.post("/auth/logout", body).status_code == 422
        assert hers.get("/auth/me").status_code == 200

    def test_wins_against_parallel_refreshes(self, api: Api) -> None:
        person = a_user()
        hers = api.as_(person)
        body = {"refresh_token": person.refresh_token}
        requests = [("/auth/logout", None), *[("/auth/refresh", body)] * 7]

        answers = at_once(8, lambda number: hers.post(*requests[number]))

        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        assert live_sessions_of(person) == []
        assert hers.get("/auth/me").status_code == 401


class TestAudit:
    def test_names_who_signed_out_of_what(self, api: Api) -> None:
        person = a_user()

        api.as_(person).post("/auth/logout")

        event = audited("authn_logout")[0]
        assert event.actor is not None
        assert event.target is not None
        assert event.actor.id == str(person.id)
        assert event.target.id == str(sessions_of(person)[0].id)

    @pytest.mark.parametrize(("scope", "ended"), [("others", 2), ("global", 3)])
    def test_names_who_signed_out_everywhere(self, api: Api, scope: str, ended: int) -> None:
        person, clients = at_three_places(api)

        clients[0].post(f"/auth/logout?scope={scope}")

        event = audited("authn_token_revoked")[0]
        assert event.actor is not None
        assert event.target is not None
        assert event.actor.id == event.target.id == str(person.id)
        assert event.detail == {"sessions": ended, "reason": "logout"}

    def test_says_nothing_of_what_was_over_already(self, api: Api) -> None:
        person = a_user()
        api.as_(person).post("/auth/logout")

        api.post("/auth/logout", {"refresh_token": person.refresh_token})

        assert len(audited("authn_logout")) == 1
