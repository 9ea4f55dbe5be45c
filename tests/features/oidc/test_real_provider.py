"""Against a provider that others wrote, running as a process of its own."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.api import Api
from tests.features.oidc.browser import Browser, code_in
from tests.world import World


@pytest.fixture
def browser(world: World, real_provider: str) -> Browser:
    provider = {"name": "mock", "issuer": real_provider, "client_id": "carboy", "client_secret": "secret"}
    return Browser(world.with_settings(oidc_providers=[provider]))


class TestRealProvider:
    def test_signs_somebody_in_who_was_never_here(self, browser: Browser, real_provider: str) -> None:
        claims = {"email": "ada@people.test", "email_verified": True, "preferred_username": "ada", "given_name": "Ada"}
        requests.put(f"{real_provider}/users/ada", json=claims, timeout=5).raise_for_status()

        tokens = browser.tokens("mock", {"sub": "ada"})

        assert tokens["user"]["username"] == "ada"
        assert tokens["user"]["first_name"] == "Ada"
        assert tokens["user"]["email_verified"] is True
        assert tokens["user"]["roles"] == ["user"]
        signed_in = Api(browser.app, tokens["access_token"])
        assert signed_in.get("/auth/sessions").result[0]["methods"] == ["fed"]

    def test_signs_the_same_person_in_again(self, browser: Browser, real_provider: str) -> None:
        requests.put(f"{real_provider}/users/grace", json={"email": "grace@people.test"}, timeout=5).raise_for_status()

        first, second = (browser.tokens("mock", {"sub": "grace"}) for _ in range(2))

        assert first["user"]["id"] == second["user"]["id"]

    def test_is_asked_with_pkce_state_nonce_and_our_own_address(self, browser: Browser, real_provider: str) -> None:
        asked = parse_qs(urlsplit(browser.start("mock")).query)

        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == ["http://carboy.test/auth/oidc/mock/callback"]
        assert asked["response_type"] == ["code"]
        assert {len(asked[name][0]) for name in ("state", "nonce", "code_challenge")} == {43}

    def test_that_says_no_without_naming_the_sign_in_is_not_listened_to(self, browser: Browser) -> None:
        answer = browser.come_back(browser.consent(browser.start("mock"), {"action": "deny"}))

        assert (answer.status_code, answer.code) == (401, "OIDC_FLOW_INVALID")

    def test_does_not_get_a_code_accepted_twice(self, browser: Browser) -> None:
        back = browser.consent(browser.start("mock"), {"sub": "joan@people.test"})
        assert browser.come_back(back).status_code == 303

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"

    def test_leads_on_to_where_one_wanted_to_go(self, browser: Browser) -> None:
        answer = browser.sign_in("mock", {"sub": "joan@people.test"}, next="/app?tab=2#top")

        assert answer.headers["Location"] == f"/app?tab=2&code={code_in(answer)}#top"
