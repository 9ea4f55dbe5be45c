"""ID tokens that somebody else made, for somebody else, for another sign-in, or too late."""

import base64
import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from joserfc.jwk import OctKey

from tests.features.oidc.browser import Browser
from tests.features.oidc.rows import events, number_of_users
from tests.features.oidc.stranger import CLIENT, KEY, OTHER_KEY, Stranger

Forge = Callable[[Stranger], None]


def part(what: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(what).encode()).rstrip(b"=").decode()


def unsigned(header: dict[str, Any]) -> Forge:
    def forge(stranger: Stranger) -> None:
        stranger.sign = lambda claims: f"{part(header)}.{part(claims)}."

    return forge


def signed_with_the_public_key(stranger: Stranger) -> None:
    """The classic: the public key is taken for the secret of a MAC."""

    def sign(claims: dict[str, Any]) -> str:
        text = f"{part({'alg': 'HS256', 'kid': KEY.kid})}.{part(claims)}"
        mac = hmac.new(KEY.as_pem(private=False), text.encode(), sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    stranger.sign = sign


def signed_with_a_secret_of_the_set(stranger: Stranger) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared", "alg": "HS256"})
    stranger.keys = [*stranger.keys, dict(secret.as_dict(private=True))]

    def sign(claims: dict[str, Any]) -> str:
        text = f"{part({'alg': 'HS256', 'kid': 'shared'})}.{part(claims)}"
        mac = hmac.new(secret.raw_value, text.encode(), sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    stranger.sign = sign


def signed_by(key: Any, **header: Any) -> Forge:
    def forge(stranger: Stranger) -> None:
        stranger.key, stranger.header = key, {"alg": "RS256", **header}

    return forge


def saying(**claims: Any) -> Forge:
    return lambda stranger: stranger.claims.update(claims)


def leaving_out(*names: str) -> Forge:
    def forge(stranger: Stranger) -> None:
        stranger.without = names

    return forge


def sending(token: object) -> Forge:
    def forge(stranger: Stranger) -> None:
        stranger.sign = lambda _claims: token  # type: ignore[assignment, return-value] # whatever JSON can hold

    return forge


def with_a_changed_signature(stranger: Stranger) -> None:
    def sign(claims: dict[str, Any]) -> str:
        head, _, tail = stranger.signed(claims).rpartition(".")
        return f"{head}.{'B' if tail[0] == 'A' else 'A'}{tail[1:]}"

    stranger.sign = sign


def with_changed_claims(stranger: Stranger) -> None:
    def sign(claims: dict[str, Any]) -> str:
        head, _, tail = stranger.signed(claims).split(".")
        return f"{head}.{part({**claims, 'sub': 'somebody-else'})}.{tail}"

    stranger.sign = sign


def with_a_key_for_encryption(stranger: Stranger) -> None:
    stranger.keys = [{**stranger.keys[0], "use": "enc"}]


def with_two_keys_of_one_name(stranger: Stranger) -> None:
    stranger.keys = [{**OTHER_KEY.as_dict(private=False), "kid": KEY.kid}, *stranger.keys]


def without_naming_one_of_two_keys(stranger: Stranger) -> None:
    stranger.keys = [*stranger.keys, OTHER_KEY.as_dict(private=False)]
    stranger.header = {"alg": "RS256"}


FORGERIES = [
    pytest.param(unsigned({"alg": "none"}), id="alg none"),
    pytest.param(unsigned({"alg": "None", "kid": KEY.kid}), id="alg None"),
    pytest.param(unsigned({"alg": "RS256", "kid": KEY.kid}), id="no signature"),
    pytest.param(signed_with_the_public_key, id="the public key as secret"),
    pytest.param(signed_with_a_secret_of_the_set, id="a secret in the key set"),
    pytest.param(signed_by(OTHER_KEY, kid=KEY.kid), id="another key under the name of the right one"),
    pytest.param(signed_by(OTHER_KEY, kid="unknown"), id="an unknown kid"),
    pytest.param(signed_by(OTHER_KEY, kid="own", jwk=OTHER_KEY.as_dict(private=False)), id="a key brought along (jwk)"),
    pytest.param(signed_by(OTHER_KEY, jku="http://127.0.0.1:9/keys", kid="own"), id="keys brought along (jku)"),
    pytest.param(with_a_changed_signature, id="a changed signature"),
    pytest.param(with_changed_claims, id="changed claims"),
    pytest.param(with_a_key_for_encryption, id="a key for encryption"),
    pytest.param(with_two_keys_of_one_name, id="two keys of one name"),
    pytest.param(without_naming_one_of_two_keys, id="no kid and two keys"),
    pytest.param(saying(iss="https://evil.test"), id="another issuer"),
    pytest.param(saying(iss=None), id="no issuer"),
    pytest.param(saying(iss=["x"]), id="several issuers"),
    pytest.param(saying(aud="another-client"), id="another audience"),
    pytest.param(saying(aud="another-client", azp=CLIENT), id="another audience, authorised for us"),
    pytest.param(saying(aud=[]), id="no audience"),
    pytest.param(saying(aud=["another-client", CLIENT]), id="several audiences and none authorised"),
    pytest.param(saying(aud=["x", CLIENT], azp="x"), id="another authorised party"),
    pytest.param(saying(azp="another-client"), id="authorised for another"),
    pytest.param(saying(aud={"a": 1}), id="an audience that is none"),
    pytest.param(saying(nonce="of another sign-in"), id="another nonce"),
    pytest.param(saying(nonce=["x"]), id="a nonce that is none"),
    pytest.param(saying(exp=1_000_000_000), id="expired"),
    pytest.param(saying(exp="tomorrow"), id="an end that is none"),
    pytest.param(saying(iat=4_000_000_000), id="of the future"),
    pytest.param(saying(nbf=4_000_000_000), id="not yet good"),
    pytest.param(saying(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), id="for another access token"),
    pytest.param(saying(at_hash=7), id="a hash that is none"),
    pytest.param(saying(sub=""), id="an empty subject"),
    pytest.param(saying(sub=7), id="a number for a subject"),
    pytest.param(saying(sub="a" * 256), id="a subject too long"),
    pytest.param(saying(sub="a\u0000b"), id="a subject with NUL"),
    pytest.param(saying(sub="\ud800"), id="a subject with half a sign"),
    *(pytest.param(leaving_out(name), id=f"without {name}") for name in ("iss", "aud", "exp", "iat", "nonce", "sub")),
    pytest.param(sending(None), id="no token"),
    pytest.param(sending(7), id="a number"),
    pytest.param(sending({"iss": "x"}), id="an object"),
    pytest.param(sending(""), id="nothing"),
    pytest.param(sending("a.b.c"), id="letters"),
    pytest.param(sending("\u00e9.\u00e9.\u00e9"), id="no ASCII"),
    pytest.param(sending(f"{part({'alg': 'RS256'})}.{part([1])}.x"), id="a list of claims"),
    pytest.param(sending(f"{part([1])}.{part({})}.x"), id="a list for a header"),
    pytest.param(sending(f"{part({'alg': ['RS256'], 'kid': {}})}.{part({})}.x"), id="strange header fields"),
]


class TestForgedIdTokens:
    @pytest.mark.parametrize("forge", FORGERIES)
    def test_sign_nobody_in(self, browser: Browser, stranger: Stranger, forge: Forge) -> None:
        before = number_of_users()
        forge(stranger)

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (401, "PROVIDER_ANSWER_INVALID")
        assert number_of_users() == before
        assert [event.detail["code"] for event in events("authn_login_fail")] == ["PROVIDER_ANSWER_INVALID"]


class TestIdTokens:
    @pytest.mark.parametrize(
        "tell",
        [
            pytest.param(saying(), id="plain"),
            pytest.param(saying(aud=["another-client", CLIENT], azp=CLIENT), id="several audiences, authorised for us"),
            pytest.param(saying(aud=[CLIENT]), id="a list of one audience"),
            pytest.param(signed_by(KEY), id="no kid and one key"),
        ],
    )
    def test_of_the_provider_sign_in(self, browser: Browser, stranger: Stranger, tell: Forge) -> None:
        tell(stranger)

        assert browser.sign_in("stranger").status_code == 303

    def test_may_be_signed_with_a_key_made_meanwhile(
        self, browser: Browser, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.infra.providers._ASK_AGAIN_SECONDS", 0.0)
        assert browser.sign_in("stranger").status_code == 303
        stranger.keys = [OTHER_KEY.as_dict(private=False)]
        signed_by(OTHER_KEY, kid=OTHER_KEY.kid)(stranger)

        assert browser.sign_in("stranger").status_code == 303
        assert stranger.seen.count("/keys") == 2

    def test_of_unknown_keys_do_not_make_us_ask_each_time(self, browser: Browser, stranger: Stranger) -> None:
        signed_by(OTHER_KEY, kid="unknown")(stranger)

        for _ in range(5):
            browser.sign_in("stranger")

        assert stranger.seen.count("/keys") == 1

    def test_need_their_keys_and_addresses_asked_only_once(self, browser: Browser, stranger: Stranger) -> None:
        for _ in range(3):
            browser.sign_in("stranger")

        assert stranger.seen.count("/keys") == 1
        assert stranger.seen.count("/.well-known/openid-configuration") == 1
