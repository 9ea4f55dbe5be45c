"""Every way of making up a token ends in the same 401."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from app.core import signing
from tests.api import Answer, Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.forge import base64url, changed, claims_of, header_of, our_key, signed

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


class TestAccessToken:
    def test_says_what_it_is(self, grace: Person) -> None:
        header = header_of(grace.access_token)

        assert header == {"alg": "ES256", "typ": "at+jwt", "kid": our_key().kid}

    def test_names_its_session_and_nothing_secret(self, api: Api, clock: Clock) -> None:
        person = a_user(username="grace")
        api.sign_in(person)
        session = api.as_(person).get("/auth/sessions").result[0]

        claims = claims_of(person.access_token)

        assert claims == {
            "iss": "http://carboy.test",
            "aud": "api",
            "sub": str(person.id),
            "sid": session["id"],
            "jti": claims["jti"],
            "iat": int(clock.at.timestamp()),
            "exp": int(clock.at.timestamp()) + 3600,
            "username": "grace",
            "roles": ["user"],
        }

    def test_has_an_id_of_its_own(self, api: Api, grace: Person) -> None:
        refreshed = api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).result

        tokens = [grace.access_token, grace.refresh_token, *map(refreshed.get, ("access_token", "refresh_token"))]

        assert len({claims_of(token)["jti"] for token in tokens}) == 4


class TestRefreshToken:
    def test_says_what_it_is(self, grace: Person) -> None:
        claims = claims_of(grace.refresh_token)

        assert header_of(grace.refresh_token)["typ"] == "rt+jwt"
        assert set(claims) == {"iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp"}
        assert (claims["aud"], claims["gen"]) == ("refresh", 0)
        assert claims["exp"] - claims["iat"] == 2_592_000

    def test_is_no_access_token(self, api: Api, grace: Person) -> None:
        assert_dead(me(api, str(grace.refresh_token)))

    @pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp"])
    def test_needs_every_claim(self, api: Api, grace: Person, claim: str) -> None:
        token = changed(grace.refresh_token, without=claim)

        assert_dead(api.post("/auth/refresh", {"refresh_token": token}))

    @pytest.mark.parametrize("gen", ["0", 0.0, None, True, [0], 1, 2**31, 2**62], ids=repr)
    def test_needs_the_generation_of_its_session(self, api: Api, grace: Person, gen: Any) -> None:
        answer = api.post("/auth/refresh", {"refresh_token": changed(grace.refresh_token, gen=gen)})

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == DEAD

    @pytest.mark.parametrize("claims", [{"aud": "api"}, {"iss": "http://other.test"}, {"sub": "0"}], ids=repr)
    def test_is_for_refreshing_its_own_session_here(self, api: Api, grace: Person, claims: dict[str, Any]) -> None:
        answer = api.post("/auth/refresh", {"refresh_token": changed(grace.refresh_token, **claims)})

        assert_dead(answer)
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 200

    def test_expires(self, api: Api, grace: Person) -> None:
        issued_at = claims_of(grace.refresh_token)["iat"]

        answer = api.post("/auth/refresh", {"refresh_token": changed(grace.refresh_token, exp=issued_at)})

        assert_dead(answer)


class TestForgedClaims:
    def test_would_be_believed_if_they_were_right(self, api: Api, grace: Person) -> None:
        assert me(api, changed(grace.access_token)).status_code == 200

    @pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "jti", "iat", "exp"])
    def test_must_all_be_there(self, api: Api, grace: Person, claim: str) -> None:
        assert_dead(me(api, changed(grace.access_token, without=claim)))

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "http://carboy.test/"},
            {"iss": "http://carboy.tes"},
            {"iss": "HTTP://CARBOY.TEST"},
            {"iss": ["http://carboy.test"]},
            {"iss": None},
            {"aud": "refresh"},
            {"aud": ["api"]},
            {"aud": "api "},
            {"aud": None},
            {"sub": "grace"},
            {"sub": ""},
            {"sub": None},
            {"sid": "x"},
            {"sid": ""},
            {"sid": None},
            {"sid": 1},
            {"sid": ["x"]},
            {"sid": "01a1fc00-0000-7000-8000-000000000000"},
            {"exp": "9999999999"},
            {"exp": None},
            {"exp": 0},
            {"exp": -1},
            {"iat": "0"},
            {"iat": None},
            {"iat": 2**40},
        ],
        ids=repr,
    )
    def test_must_be_exact(self, api: Api, grace: Person, claims: dict[str, Any]) -> None:
        assert_dead(me(api, changed(grace.access_token, **claims)))

    def test_cannot_expire(self, api: Api, grace: Person, clock: Clock) -> None:
        now = int(clock.at.timestamp())

        assert me(api, changed(grace.access_token, exp=now + 1)).status_code == 200
        assert_dead(me(api, changed(grace.access_token, exp=now)))

    def test_cannot_come_from_the_future(self, api: Api, grace: Person, clock: Clock) -> None:
        soon = int((clock.at + timedelta(seconds=5)).timestamp())

        assert me(api, changed(grace.access_token, iat=soon)).status_code == 200
        assert_dead(me(api, changed(grace.access_token, iat=soon + 1)))

    def test_cannot_pair_one_user_with_the_session_of_another(self, api: Api, grace: Person) -> None:
        admin = an_admin()
        api.sign_in(admin)

        assert_dead(me(api, changed(grace.access_token, sub=str(admin.id))))
        assert_dead(me(api, changed(grace.access_token, sid=claims_of(admin.access_token)["sid"])))

    def test_give_no_role(self, api: Api, grace: Person) -> None:
        token = changed(grace.access_token, roles=["admin"], permissions=["users:read"])

        assert me(api, token).result["roles"] == ["user"]
        assert Api(api.app, token).get("/api/v1/users").status_code == 403

    @pytest.mark.parametrize("claims", [[], "x", 1, None, True], ids=repr)
    def test_must_be_an_object(self, api: Api, grace: Person, claims: object) -> None:
        assert_dead(me(api, signed(header_of(grace.access_token), claims)))


class TestForgedHeader:
    @pytest.mark.parametrize(
        "header",
        [
            {"typ": "JWT"},
            {"typ": "rt+jwt"},
            {"typ": "AT+JWT"},
            {"typ": "application/at+jwt"},
            {"typ": None},
            {"alg": "HS256"},
            {"alg": "ES384"},
            {"alg": "none"},
            {"alg": None},
            {"kid": "unknown"},
            {"kid": ""},
            {"kid": None},
            {"kid": ["x"]},
            {"kid": {"x": 1}},
            {"kid": "../../dev/null"},
            {"crit": ["exp"]},
            {"crit": ["b64"], "b64": False},
            {"jku": "http://127.0.0.1:1/jwks.json"},
            {"x5u": "http://127.0.0.1:1/cert.pem"},
            {"x5c": ["AAAA"]},
            {"zip": "DEF"},
            {"cty": "JWT"},
        ],
        ids=repr,
    )
    def test_is_refused_though_the_signature_is_ours(self, api: Api, grace: Person, header: dict[str, Any]) -> None:
        assert_dead(me(api, changed(grace.access_token, header=header)))

    @pytest.mark.parametrize("name", ["typ", "kid", "alg"])
    def test_must_be_whole(self, api: Api, grace: Person, name: str) -> None:
        header = header_of(grace.access_token)
        del header[name]

        assert_dead(me(api, signed(header, claims_of(grace.access_token))))

    @pytest.mark.parametrize("header", [[], "x", 1, None], ids=repr)
    def test_must_be_an_object(self, api: Api, grace: Person, header: object) -> None:
        assert_dead(me(api, signed(header, claims_of(grace.access_token))))


class TestForgedSignature:
    @pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
    def test_none_is_refused(self, api: Api, grace: Person, alg: str) -> None:
        header = base64url(json.dumps({**header_of(grace.access_token), "alg": alg}).encode())
        claims = str(grace.access_token).split(".")[1]

        assert_dead(me(api, f"{header}.{claims}."))
        assert_dead(me(api, f"{header}.{claims}.AAAA"))

    @pytest.mark.parametrize("form", ["pem", "der", "jwk"])
    def test_hs256_with_the_public_key_is_refused(self, api: Api, grace: Person, form: str) -> None:
        key = our_key()
        secret = {
            "pem": key.as_pem(private=False),
            "der": key.as_der(private=False),
            "jwk": json.dumps(key.as_dict(private=False)).encode(),
        }[form]
        header = base64url(json.dumps({**header_of(grace.access_token), "alg": "HS256"}).encode())
        message = f"{header}.{str(grace.access_token).split('.')[1]}"
        signature = base64url(hmac.new(secret, message.encode(), hashlib.sha256).digest())

        assert_dead(me(api, f"{message}.{signature}"))

    def test_of_a_foreign_key_is_refused_under_our_kid(self, api: Api, grace: Person) -> None:
        foreign = signing.generate_key()

        token = signed(header_of(grace.access_token), claims_of(grace.access_token), foreign)

        assert_dead(me(api, token))

    def test_of_a_foreign_key_is_refused_under_its_own_kid(self, api: Api, grace: Person) -> None:
        foreign = signing.generate_key()
        header = {**header_of(grace.access_token), "kid": foreign.kid}

        assert_dead(me(api, signed(header, claims_of(grace.access_token), foreign)))

    def test_of_a_key_that_the_token_brings_along_is_refused(self, api: Api, grace: Person) -> None:
        foreign = signing.generate_key()
        header = {**header_of(grace.access_token), "jwk": foreign.as_dict(private=False)}

        assert_dead(me(api, signed(header, claims_of(grace.access_token), foreign)))

    def test_of_other_claims_is_refused(self, api: Api, grace: Person) -> None:
        admin = an_admin()
        api.sign_in(admin)
        header, _, signature = str(grace.access_token).split(".")

        assert_dead(me(api, f"{header}.{str(admin.access_token).split('.')[1]}.{signature}"))

    @pytest.mark.parametrize("signature", ["", "AAAA", base64url(bytes(64)), base64url(b"\xff" * 64), "*", "=="])
    def test_of_nothing_is_refused(self, api: Api, grace: Person, signature: str) -> None:
        message = str(grace.access_token).rpartition(".")[0]

        assert_dead(me(api, f"{message}.{signature}"))
