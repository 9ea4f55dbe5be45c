from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask

from app.features.oidc import flows
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.features.oidc.browser import Browser, code_in
from tests.features.oidc.rows import events, everything_stored, number_of_users
from tests.features.oidc.stranger import Stranger
from tests.world import World

HOSTILE = [
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "\\\\evil.test",
    "/ok\\..\\evil",
    "https://evil.test",
    "https:evil.test",
    "https:///evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.test",
    "@evil.test",
    "?next=//evil.test",
    "#//evil.test",
    "/\r\nSet-Cookie: a=b",
    "/\u2028//evil.test",
    "/\uff0fevil.test",
    "/\u00e9",
    "/" + "a" * 2000,
]


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class TestList:
    def test_names_every_provider_in_order(self, browser: Browser) -> None:
        answer = browser.open("/auth/oidc")

        assert answer.result == [
            {"name": "stranger", "title": "The Stranger"},
            {"name": "another", "title": "Another"},
            {"name": "hub", "title": "Hub"},
            {"name": "plain", "title": "Plain"},
        ]

    def test_is_empty_without_any(self, world: World) -> None:
        assert Browser(world.app).open("/auth/oidc").result == []


class TestStart:
    def test_keeps_a_cookie_that_scripts_and_other_sites_cannot_use(self, browser: Browser) -> None:
        cookie = browser.open("/auth/oidc/stranger/start").headers["Set-Cookie"]

        assert cookie.startswith("oidc=")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
        assert "Secure" not in cookie

    def test_binds_the_cookie_to_the_host_on_https(self, world: World, known: list[dict[str, Any]]) -> None:
        app = world.with_settings(oidc_providers=known, public_url="https://carboy.test")

        answer = Browser(app).open("/auth/oidc/stranger/start")

        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-oidc=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert query_of(answer.headers["Location"])["redirect_uri"] == "https://carboy.test/auth/oidc/stranger/callback"

    def test_takes_the_redirect_uri_from_the_settings_and_never_from_the_request(self, browser: Browser) -> None:
        forged = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test"}

        answer = browser.client.get("/auth/oidc/stranger/start", headers=forged)

        location = query_of(answer.headers["Location"])
        assert location["redirect_uri"] == "http://carboy.test/auth/oidc/stranger/callback"

    def test_knows_no_other_provider(self, browser: Browser) -> None:
        assert browser.open("/auth/oidc/nobody/start").status_code == 404
        assert browser.open("/auth/oidc/nobody/callback?state=a&code=b").status_code == 404

    def test_stores_nothing_in_clear_that_came_or_went(self, browser: Browser) -> None:
        url = browser.start("stranger", next="/a-place-to-go")

        stored = everything_stored()

        asked = query_of(url)
        for secret in (asked["state"], asked["nonce"], browser.cookie, "a-place-to-go"):
            assert secret not in stored

    def test_never_stores_the_verifier_in_clear(self, browser: Browser, stranger: Stranger) -> None:
        back = browser.consent(browser.start("stranger"))
        stored = everything_stored()

        browser.come_back(back)

        assert len(stranger.form["code_verifier"]) == 64
        assert stranger.form["code_verifier"] not in stored


class TestNext:
    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_that_might_lead_elsewhere_is_ignored(self, browser: Browser, hostile: str) -> None:
        answer = browser.sign_in("stranger", next=hostile)

        assert answer.headers["Location"] == f"/signed-in?code={code_in(answer)}"

    @pytest.mark.parametrize("path", ["/", "/app", "/app?tab=1", "/a//b", "/%2F%2Fevil.test", "/@evil.test", "/a:b"])
    def test_within_the_service_is_kept(self, browser: Browser, path: str) -> None:
        answer = browser.sign_in("stranger", next=path)

        assert answer.headers["Location"] == f"{path}{'&' if '?' in path else '?'}code={code_in(answer)}"

    def test_without_one_there_is_a_page(self, browser: Browser) -> None:
        page = browser.open(browser.sign_in("stranger").headers["Location"])

        assert page.status_code == 200
        assert "That worked" in page.text
        assert page.headers["Referrer-Policy"] == "no-referrer"

    @pytest.mark.parametrize("hostile", [path for path in HOSTILE if not path.startswith("/a")])
    def test_is_judged_without_a_request_too(self, hostile: str) -> None:
        assert flows.local_path(hostile) == ""
        assert flows.local_path(hostile + "\n") == ""


class TestCallback:
    def test_needs_the_browser_that_began(self, browser: Browser, app: Flask) -> None:
        back = browser.consent(browser.start("stranger"))

        assert Browser(app).come_back(back).code == "OIDC_FLOW_INVALID"

    def test_needs_a_flow_of_that_very_browser(self, browser: Browser, app: Flask, stranger: Stranger) -> None:
        """The victim has begun a sign-in too, and is led to the callback of the attacker's."""
        victim = Browser(app)
        victim.start("stranger")
        back = browser.consent(browser.start("stranger"))

        answer = victim.come_back(back)

        assert (answer.status_code, answer.code) == (401, "OIDC_FLOW_INVALID")
        assert "/token" not in stranger.seen

    @pytest.mark.parametrize("query", ["", "?code=x", "?state=&code=x", "?state=x&code=x", "?error=access_denied"])
    def test_without_a_flow_is_refused(self, browser: Browser, query: str) -> None:
        browser.start("stranger")

        answer = browser.come_back(f"/auth/oidc/stranger/callback{query}")

        assert (answer.status_code, answer.code) == (401, "OIDC_FLOW_INVALID")

    def test_works_once(self, browser: Browser, stranger: Stranger) -> None:
        back = browser.consent(browser.start("stranger"))
        browser.come_back(back)

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"
        assert stranger.seen.count("/token") == 1

    def test_works_once_also_if_it_failed(self, browser: Browser, stranger: Stranger) -> None:
        back = browser.consent(browser.start("stranger"))
        stranger.answers["/token"] = lambda: (400, {"error": "invalid_grant"}, {})
        assert browser.come_back(back).code == "PROVIDER_REFUSED"
        del stranger.answers["/token"]

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"

    def test_of_many_at_once_one_wins(self, browser: Browser, stranger: Stranger) -> None:
        back = browser.consent(browser.start("stranger"))
        copies = [browser.copy() for _ in range(10)]

        statuses = at_once(10, lambda number: copies[number].come_back(back).status_code)

        assert sorted(statuses) == [303, *[401] * 9]
        assert stranger.seen.count("/token") == 1

    def test_is_too_late_after_ten_minutes(self, browser: Browser, clock: Clock) -> None:
        back = browser.consent(browser.start("stranger"))
        clock.advance(seconds=600)

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"

    def test_is_in_time_just_before(self, browser: Browser, clock: Clock) -> None:
        url = browser.start("stranger")
        clock.advance(seconds=599)

        assert browser.come_back(browser.consent(url)).status_code == 303

    def test_of_another_provider_is_refused_before_the_code_is_shown(
        self, browser: Browser, stranger: Stranger, another: Stranger
    ) -> None:
        """Mix-up (RFC 9700, 4.4): the answer of one provider is led to the callback of another."""
        back = browser.consent(browser.start("stranger")).replace("/stranger/", "/another/")

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"
        assert "/token" not in another.seen + stranger.seen

    def test_compares_who_says_that_it_answers(self, browser: Browser, stranger: Stranger, another: Stranger) -> None:
        stranger.callback = {"iss": another.url}

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (401, "PROVIDER_ANSWER_INVALID")
        assert "/token" not in stranger.seen

    def test_takes_the_right_issuer(self, browser: Browser, stranger: Stranger) -> None:
        stranger.callback = {"iss": stranger.url}

        assert browser.sign_in("stranger").status_code == 303

    def test_misses_the_issuer_of_a_provider_that_promised_to_send_it(
        self, browser: Browser, stranger: Stranger
    ) -> None:
        stranger.metadata = {"authorization_response_iss_parameter_supported": True}

        assert browser.sign_in("stranger").code == "PROVIDER_ANSWER_INVALID"

    def test_says_that_the_provider_said_no(self, browser: Browser) -> None:
        state = query_of(browser.start("stranger"))["state"]

        answer = browser.come_back(f"/auth/oidc/stranger/callback?error=access_denied&state={state}")

        assert (answer.status_code, answer.code) == (401, "PROVIDER_DENIED")

    def test_takes_no_notice_of_what_else_providers_send(self, browser: Browser, stranger: Stranger) -> None:
        stranger.callback = {"session_state": "x", "scope": "openid", "authuser": "0"}

        assert browser.sign_in("stranger").status_code == 303

    def test_survives_a_restart_in_the_middle(
        self, browser: Browser, world: World, known: list[dict[str, Any]]
    ) -> None:
        back = browser.consent(browser.start("stranger"))
        code = code_in(browser.moved_to(world.with_settings(oidc_providers=known)).come_back(back))

        answer = browser.moved_to(world.with_settings(oidc_providers=known)).exchange(code)

        assert answer.status_code == 200

    def test_begun_under_a_secret_that_is_gone_is_refused(
        self, browser: Browser, world: World, known: list[dict[str, Any]]
    ) -> None:
        back = browser.consent(browser.start("stranger"))
        app = world.with_settings(oidc_providers=known, secret_key=("another key of the tests, of 32 and more",))

        assert browser.moved_to(app).come_back(back).code == "OIDC_FLOW_INVALID"

    def test_in_one_tab_leaves_the_other_alone(self, browser: Browser) -> None:
        first, second = browser.start("stranger"), browser.start("stranger")

        assert browser.come_back(browser.consent(first)).status_code == 303
        assert browser.come_back(browser.consent(second)).status_code == 303

    def test_that_fails_is_audited_although_nothing_else_is_stored(self, browser: Browser, stranger: Stranger) -> None:
        stranger.without = ("nonce",)
        before = number_of_users()

        browser.sign_in("stranger")

        assert [(event.outcome, event.detail) for event in events("authn_login_fail")] == [
            ("failure", {"code": "PROVIDER_ANSWER_INVALID", "provider": "stranger"})
        ]
        assert number_of_users() == before

    def test_shows_browsers_a_page_and_programs_the_envelope(self, browser: Browser) -> None:
        path = "/auth/oidc/stranger/callback?state=x&code=y"

        page = browser.come_back(path, headers={"Accept": "text/html,*/*"})

        assert (page.status_code, page.mimetype) == (401, "text/html")
        assert "not begun in this browser" in page.text
        assert browser.come_back(path).json["error"]["code"] == "OIDC_FLOW_INVALID"

    @pytest.mark.parametrize("value", ["x" * 5000, "\u00e9", "%0d%0aSet-Cookie:a=b", "\U0001f511", "%ff"])
    def test_is_never_upset_by_what_comes(self, browser: Browser, value: str) -> None:
        browser.start("stranger")
        text = value if value.startswith("%") else quote(value)

        for name in ("state", "code", "error", "iss", "unknown"):
            assert browser.come_back(f"/auth/oidc/stranger/callback?{name}={text}").status_code in {400, 401}
