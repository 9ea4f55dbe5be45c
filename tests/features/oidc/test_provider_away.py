"""A provider that is away, slow, or answers with what no provider should: 503, soon, and never a 500."""

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.infra import providers
from tests.features.oidc.browser import Browser
from tests.features.oidc.rows import events
from tests.features.oidc.stranger import CLIENT, SECRET, Stranger
from tests.live import free_port
from tests.world import SERVICES, World

pytestmark = pytest.mark.skipif(SERVICES, reason="who is answered by no provider is as far from every database")

DISCOVERY = "/.well-known/openid-configuration"
SECONDS = 0.4


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long in tests."""
    monkeypatch.setattr(providers, "_CONVERSATION_SECONDS", SECONDS)


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends a sign now and then and never ends, so that no time-out of a socket ever strikes."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.05):
                try:
                    connection.sendall(b"X")
                except OSError:
                    return

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()


def at(world: World, issuer: str) -> Browser:
    provider = {"name": "away", "issuer": issuer, "client_id": "carboy", "client_secret": "secret"}
    return Browser(world.with_settings(oidc_providers=[provider]))


def slow() -> tuple[int, dict[str, Any], dict[str, str]]:
    threading.Event().wait(2 * SECONDS)
    return 200, {}, {}


WRONG: list[Any] = [
    pytest.param(lambda: (500, {}, {}), id="500"),
    pytest.param(lambda: (503, b"<html>", {}), id="503 in HTML"),
    pytest.param(lambda: (200, b"", {}), id="nothing"),
    pytest.param(lambda: (200, b"<html>", {}), id="HTML"),
    pytest.param(lambda: (200, b"[" * 100_000, {}), id="deep JSON"),
    pytest.param(lambda: (200, b"\xff\xfe\xfd", {}), id="bytes"),
    pytest.param(lambda: (200, b"[]", {}), id="a list"),
    pytest.param(lambda: (200, b"null", {}), id="null"),
    pytest.param(lambda: (200, b"7", {}), id="a number"),
    pytest.param(lambda: (200, b" " * 300_000 + b"{}", {}), id="too much"),
    pytest.param(lambda: (200, b"{}", {"Content-Encoding": "gzip"}), id="a broken encoding"),
    pytest.param(lambda: (302, {}, {"Location": "http://127.0.0.1:9/"}), id="a redirect"),
    pytest.param(lambda: (307, {}, {"Location": "http://169.254.169.254/"}), id="a redirect inwards"),
]

Answer = Callable[[], Any]


class TestDiscovery:
    def test_of_a_provider_that_is_away(self, world: World) -> None:
        answer = at(world, f"http://127.0.0.1:{free_port()}").open("/auth/oidc/away/start")

        assert (answer.status_code, answer.code) == (503, "PROVIDER_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0

    @pytest.mark.usefixtures("_hasty")
    def test_of_one_that_drips_is_given_up(self, world: World, dripping: str) -> None:
        browser, began = at(world, dripping), time.monotonic()

        answer = browser.open("/auth/oidc/away/start")

        assert (answer.status_code, answer.code) == (503, "PROVIDER_UNAVAILABLE")
        assert time.monotonic() - began < 5 * SECONDS

    @pytest.mark.usefixtures("_hasty")
    def test_of_one_that_hangs_is_not_tried_again_at_once(self, browser: Browser, stranger: Stranger) -> None:
        stranger.answers[DISCOVERY] = slow
        assert browser.open("/auth/oidc/stranger/start").status_code == 503
        began = time.monotonic()

        assert browser.open("/auth/oidc/stranger/start").status_code == 503
        assert time.monotonic() - began < SECONDS
        assert stranger.seen.count(DISCOVERY) == 1

    @pytest.mark.parametrize("wrong", WRONG)
    def test_of_one_that_answers_wrongly(self, browser: Browser, stranger: Stranger, wrong: Answer) -> None:
        stranger.answers[DISCOVERY] = wrong

        answer = browser.open("/auth/oidc/stranger/start")

        assert (answer.status_code, answer.code) == (503, "PROVIDER_UNAVAILABLE")
        stranger.answers.clear()
        assert browser.open("/auth/oidc/stranger/start").status_code == 303

    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "http://127.0.0.1:9"},
            {"issuer": None},
            {"authorization_endpoint": None},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"token_endpoint": "/token"},
            {"token_endpoint": ["x"]},
            {"jwks_uri": "file:///etc/passwd"},
        ],
        ids=str,
    )
    def test_believes_only_metadata_that_can_be(
        self, browser: Browser, stranger: Stranger, metadata: dict[str, Any]
    ) -> None:
        stranger.metadata = metadata

        assert browser.open("/auth/oidc/stranger/start").status_code == 503

    def test_asks_again_after_a_while(
        self, browser: Browser, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(providers, "_FRESH_SECONDS", -1.0)
        browser.start("stranger")
        before = stranger.seen.count(DISCOVERY)

        browser.start("stranger")

        assert stranger.seen.count(DISCOVERY) > before


class TestConversation:
    @pytest.mark.parametrize("path", ["/token", "/keys", "/userinfo"])
    @pytest.mark.parametrize("wrong", WRONG)
    def test_with_one_that_answers_wrongly(
        self, browser: Browser, stranger: Stranger, path: str, wrong: Answer
    ) -> None:
        stranger.without = ("email",)
        stranger.answers[path] = wrong

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (503, "PROVIDER_UNAVAILABLE")
        assert events("authn_login_fail") == []

    @pytest.mark.usefixtures("_hasty")
    @pytest.mark.parametrize("path", ["/token", "/keys"])
    def test_with_one_that_hangs_ends(self, browser: Browser, stranger: Stranger, path: str) -> None:
        stranger.answers[path] = slow
        back = browser.consent(browser.start("stranger"))
        began = time.monotonic()

        answer = browser.come_back(back)

        assert (answer.status_code, answer.code) == (503, "PROVIDER_UNAVAILABLE")
        assert time.monotonic() - began < 5 * SECONDS

    @pytest.mark.parametrize(
        ("status", "said", "code"),
        [
            (400, {"error": "invalid_grant", "error_description": "canary"}, "PROVIDER_REFUSED"),
            (200, {"error": "bad_verification_code"}, "PROVIDER_REFUSED"),
            (401, {"error": {"strange": ["canary"]}}, "PROVIDER_REFUSED"),
            (200, {}, "PROVIDER_UNAVAILABLE"),
            (200, {"access_token": 7}, "PROVIDER_UNAVAILABLE"),
            (200, {"access_token": "at", "expires_in": "soon"}, "PROVIDER_UNAVAILABLE"),
            (200, {"access_token": "at", "expires_in": [1]}, "PROVIDER_UNAVAILABLE"),
        ],
        ids=str,
    )
    def test_about_a_code_may_end_in_a_refusal(
        self, browser: Browser, stranger: Stranger, status: int, said: dict[str, Any], code: str
    ) -> None:
        stranger.answers["/token"] = lambda: (status, said, {})

        assert browser.sign_in("stranger").code == code

    @pytest.mark.parametrize("keys", [None, {}, {"keys": None}, {"keys": [None, 7, "x"]}, {"keys": [{"kty": "RSA"}]}])
    def test_about_keys_may_lead_to_none(self, browser: Browser, stranger: Stranger, keys: Any) -> None:
        stranger.answers["/keys"] = lambda: (200, keys, {})

        assert browser.sign_in("stranger").status_code in {401, 503}

    def test_with_too_many_at_once_is_refused(
        self, browser: Browser, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(providers, "_places", threading.BoundedSemaphore(1))
        providers._places.acquire()

        assert browser.open("/auth/oidc/stranger/start").status_code == 503
        providers._places.release()
        assert browser.open("/auth/oidc/stranger/start").status_code == 303

    def test_shows_the_secret_only_to_the_token_endpoint(self, browser: Browser, stranger: Stranger) -> None:
        stranger.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}

        assert browser.sign_in("stranger").status_code == 303
        assert stranger.form["client_secret"] == "a secret of the client"

    def test_takes_no_password_from_the_home_folder(
        self, browser: Browser, stranger: Stranger, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        stranger.without = ("email",)
        back = browser.consent(browser.start("stranger"))
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password canary\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert browser.come_back(back).status_code == 303

        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        assert stranger.authorizations[-3:] == [f"Basic {basic}", "", "Bearer at"]


class TestLog:
    def test_tells_no_secret_even_at_debug(
        self, world: World, known: list[dict[str, Any]], stranger: Stranger, lines: list[bytes]
    ) -> None:
        browser = Browser(world.with_settings(oidc_providers=known, log_level="DEBUG"))
        stranger.answers["/userinfo"] = lambda: (500, {}, {})
        back = browser.consent(browser.start("stranger"))
        browser.tokens("another")
        browser.come_back(back)

        written = b"".join(lines).decode()

        code, state = (part.split("=")[1] for part in back.split("?")[1].split("&"))
        for secret in (stranger.form["code_verifier"], code, state, browser.cookie, "a secret of the client"):
            assert secret not in written
