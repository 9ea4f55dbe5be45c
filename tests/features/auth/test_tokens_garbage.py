import pytest

from tests.api import Answer, Api, Person, a_user
from tests.features.auth.forge import base64url, changed
from tests.world import PASSWORD

DEAD = 'Bearer realm="api", error="invalid_token"'


@pytest.fixture
def grace(api: Api) -> Person:
    person = a_user(username="grace")
    api.sign_in(person)
    return person


def me(api: Api, token: str) -> Answer:
    return Api(api.app, token).get("/auth/me")


def assert_dead(answer: Answer) -> None:
    assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")
    assert answer.headers["WWW-Authenticate"] == DEAD


class TestGarbage:
    @pytest.mark.parametrize(
        "token",
        [
            pytest.param("", id="empty"),
            pytest.param(" ", id="space"),
            pytest.param("x", id="one letter"),
            pytest.param("a.b", id="two parts"),
            pytest.param("a.b.c", id="three parts"),
            pytest.param("a.b.c.d.e", id="encrypted"),
            pytest.param("...", id="dots"),
            pytest.param("null", id="null"),
            pytest.param("a" * 5000, id="huge"),
            pytest.param("a" * 5000 + ".b.c", id="huge header"),
            pytest.param(base64url(b"[" * 2500) + ".e30.AAAA", id="deep header"),
            pytest.param(base64url(b'{"kid": NaN}') + ".e30.AAAA", id="NaN in header"),
            pytest.param("\u00e9.\u00e9.\u00e9", id="not ascii"),
            pytest.param("a b c", id="spaces inside"),
            pytest.param("%00", id="escaped NUL"),
            pytest.param("' OR 1=1 --", id="sql"),
        ],
    )
    def test_is_401(self, api: Api, token: str) -> None:
        assert_dead(api.get("/auth/me", headers={"Authorization": f"Bearer {token}"}))

    def test_is_401_when_it_is_a_good_token_and_more(self, api: Api, grace: Person) -> None:
        assert_dead(me(api, f"{grace.access_token}x"))
        assert_dead(me(api, f"{grace.access_token}.x"))
        assert_dead(me(api, f"{grace.access_token},{grace.access_token}"))

    def test_says_nothing_of_why(self, api: Api, grace: Person) -> None:
        expired = me(api, changed(grace.access_token, exp=0))
        foreign = me(api, "a.b.c")

        assert expired.json["error"] == foreign.json["error"]


class TestOtherCredentials:
    @pytest.mark.parametrize("credentials", ["Basic Z3JhY2U6eA==", "Digest x", "Token x", "Bearer-ish x", "x", ""])
    def test_are_as_none(self, api: Api, credentials: str) -> None:
        answer = api.get("/auth/me", headers={"Authorization": credentials})

        # RFC 6750, 3.1: no error code for a scheme that is not ours.
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')

    def test_in_the_address_are_none(self, api: Api, grace: Person) -> None:
        answer = api.get(f"/auth/me?access_token={grace.access_token}")

        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    def test_that_are_wrong_do_not_close_what_is_public(self, api: Api) -> None:
        body = {"username": a_user().username, "password": PASSWORD}

        answer = api.post("/auth/login", body, headers={"Authorization": "Bearer dead.or.alive"})

        assert answer.status_code == 200
