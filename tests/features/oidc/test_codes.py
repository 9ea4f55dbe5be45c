"""The code at the end of a sign-in, and who may exchange it."""

import base64
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask

from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.features.oidc.browser import Browser, code_in
from tests.features.oidc.rows import change, events, everything_stored, identities
from tests.features.oidc.stranger import Stranger
from tests.world import World

VERIFIER = "an-app-that-has-no-cookies-but-knows-its-verifier"
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class TestCode:
    def test_gives_what_a_sign_in_gives(self, browser: Browser) -> None:
        person = a_user()
        usual = Api(browser.app).sign_in(person)

        tokens = browser.tokens("stranger")

        assert tokens.keys() == usual.result.keys()
        assert Api(browser.app, tokens["access_token"]).get("/auth/me").result["email"] == "ada@people.test"
        assert [event.detail["methods"] for event in events("authn_login_success")] == [["pwd"], ["fed"]]

    def test_works_once(self, browser: Browser) -> None:
        code = code_in(browser.sign_in("stranger"))
        browser.exchange(code)

        answer = browser.exchange(code)

        assert (answer.status_code, answer.code) == (401, "OIDC_CODE_INVALID")

    def test_of_many_at_once_one_wins(self, browser: Browser) -> None:
        code = code_in(browser.sign_in("stranger"))
        copies = [browser.copy() for _ in range(10)]

        statuses = at_once(10, lambda number: copies[number].exchange(code).status_code)

        assert sorted(statuses) == [200, *[401] * 9]

    @pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 401)])
    def test_lives_a_minute(self, browser: Browser, clock: Clock, seconds: int, status: int) -> None:
        code = code_in(browser.sign_in("stranger"))
        clock.advance(seconds=seconds)

        assert browser.exchange(code).status_code == status

    def test_is_of_no_use_in_another_browser(self, browser: Browser, app: Flask) -> None:
        code = code_in(browser.sign_in("stranger"))
        thief = Browser(app)
        thief.start("stranger")

        assert thief.exchange(code).code == "OIDC_CODE_INVALID"
        assert Browser(app).exchange(code).code == "OIDC_CODE_INVALID"
        assert browser.exchange(code).status_code == 200

    def test_is_not_stored_in_clear(self, browser: Browser) -> None:
        code = code_in(browser.sign_in("stranger"))

        assert code not in everything_stored()

    @pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 7}, {"code": "a" * 129}, {"code": "a", "x": 1}])
    def test_must_look_like_one(self, browser: Browser, body: dict[str, Any]) -> None:
        assert browser.open("/auth/oidc/token", method="POST", json=body).status_code == 422

    def test_that_nobody_was_given_is_refused_and_audited(self, browser: Browser) -> None:
        assert browser.exchange("a code that was never made").code == "OIDC_CODE_INVALID"
        assert [event.detail for event in events("authn_login_fail")] == [{"code": "OIDC_CODE_INVALID"}]

    def test_is_of_no_use_to_somebody_disabled_meanwhile(self, browser: Browser) -> None:
        person = a_user(email="ada@people.test", email_verified=True)
        code = code_in(browser.sign_in("stranger"))
        change(person, is_active=False)

        answer = browser.exchange(code)

        assert (answer.status_code, answer.code) == (401, "OIDC_CODE_INVALID")


class TestApp:
    """One that has the browser's answer, and not its cookies."""

    def test_exchanges_the_code_with_its_verifier(self, browser: Browser, app: Flask) -> None:
        code = code_in(browser.sign_in("stranger", code_challenge=CHALLENGE))

        assert Browser(app).exchange(code, code_verifier=VERIFIER).status_code == 200

    @pytest.mark.parametrize("sent", [{}, {"code_verifier": VERIFIER[::-1]}, {"code_verifier": CHALLENGE}])
    def test_needs_the_right_one(self, browser: Browser, sent: dict[str, str]) -> None:
        code = code_in(browser.sign_in("stranger", code_challenge=CHALLENGE))

        assert browser.exchange(code, **sent).code == "OIDC_CODE_INVALID"

    def test_has_none_for_the_code_of_a_browser(self, browser: Browser) -> None:
        code = code_in(browser.sign_in("stranger"))

        assert browser.exchange(code, code_verifier=VERIFIER).code == "OIDC_CODE_INVALID"

    @pytest.mark.parametrize("challenge", ["", "short", "a" * 44, "=" * 43])
    def test_must_send_a_challenge_that_is_one(self, browser: Browser, challenge: str) -> None:
        assert browser.open(f"/auth/oidc/stranger/start?code_challenge={challenge}").status_code == 422


class TestMandatoryVerification:
    @pytest.fixture
    def browser(self, world: World, known: list[dict[str, Any]]) -> Browser:
        return Browser(world.with_settings(oidc_providers=known, email_verification="mandatory"))

    def test_is_done_by_a_provider_that_vouches(self, browser: Browser) -> None:
        assert browser.tokens("stranger")["user"]["email_verified"] is True

    def test_is_still_to_do_where_it_does_not(self, browser: Browser, stranger: Stranger) -> None:
        stranger.person["email_verified"] = False
        code = code_in(browser.sign_in("stranger"))

        answer = browser.exchange(code)

        assert (answer.status_code, answer.code) == (403, "EMAIL_NOT_VERIFIED")
        assert len(identities()) == 1
