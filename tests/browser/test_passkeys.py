"""A real browser with a virtual authenticator (WebAuthn, 11) against the running server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.browser.chromium import BrowserFailed, Chromium, Page
from tests.live import LiveServer, free_port, running
from tests.world import PASSWORD, SERVICES

_numbers = count(1)
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

CREATE = "navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(%s)})"
GET = "navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(%s)})"
POST = """fetch(%s, {
    method: "POST",
    headers: {"Content-Type": "application/json", ...%s},
    body: JSON.stringify(%s),
}).then(async answer => [answer.status, await answer.json()])"""


@dataclass
class Tab:
    """A page of the service, and what it calls."""

    page: Page
    authenticator: str
    token: str = ""

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = "undefined" if body is None else json.dumps(body)  # of which fetch() makes no body
        answer = self.page.evaluate(POST % (json.dumps(path), json.dumps(headers), sent))
        assert isinstance(answer, list)
        return answer[0], answer[1]

    def ask(self, script: str, options: object) -> Any:
        """Return what the browser's authenticator answers."""
        return self.page.evaluate(f"{script % json.dumps(options)}.then(credential => credential.toJSON())")

    def held(self) -> list[Any]:
        found = self.page.call("WebAuthn.getCredentials", authenticatorId=self.authenticator)["credentials"]
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose users reach it by a name: browsers make no passkeys for an address."""
    port = str(free_port())
    with running(Path(tmp_path_factory.mktemp("passkeys")), PORT=port, PUBLIC_URL=f"http://localhost:{port}") as live:
        live.url = f"http://localhost:{port}"
        yield live


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    path = chromium.executable()
    assert path
    with Chromium(path) as running_browser:
        yield running_browser


@pytest.fixture
def tab(browser: Chromium, server: LiveServer) -> Tab:
    """A tab with an authenticator of its own, whose user is there and verified."""
    page = browser.page()
    page.visit(f"{server.url}/docs")
    page.call("WebAuthn.enable")
    added = page.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
    return Tab(page, added["authenticatorId"])


def signed_in(tab: Tab) -> str:
    """Sign somebody new in, who has proven herself once more just now; return her user name."""
    username = f"grace-{next(_numbers)}"
    tab.post("/auth/register", {"username": username, "email": f"{username}@people.test", "password": PASSWORD})
    status, answer = tab.post("/auth/login", {"username": username, "password": PASSWORD})
    assert status == 200, answer
    tab.token = answer["data"]["access_token"]
    tab.post("/auth/reauth", {"password": PASSWORD})
    return username


@pytest.mark.browser
@pytest.mark.serving
@pytest.mark.skipif(chromium.executable() is None, reason="no Chromium on PATH")
@pytest.mark.skipif(not SERVICES, reason="a browser is the same in both, and this world has time")
class TestPasskeys:
    def test_sign_in_without_a_name_or_a_password(self, tab: Tab) -> None:
        username = signed_in(tab)

        _, options = tab.post("/auth/passkeys/register/options")
        made = tab.ask(CREATE, options["data"])
        added = tab.post("/auth/passkeys/register/verify", {"credential": made, "name": "Chromium"})
        tab.token = ""
        _, options = tab.post("/auth/passkeys/login/options")
        signed = tab.ask(GET, options["data"])
        entered = tab.post("/auth/passkeys/login/verify", {"credential": signed})
        again = tab.post("/auth/passkeys/login/verify", {"credential": signed})

        assert added[0] == 201, added
        assert entered[0] == 200, entered
        assert entered[1]["data"]["user"]["username"] == username
        assert (again[0], again[1]["error"]["code"]) == (401, "INVALID_PASSKEY")
        assert [(key["rpId"], key["isResidentCredential"]) for key in tab.held()] == [("localhost", True)]

    def test_are_not_made_twice_on_one_device(self, tab: Tab) -> None:
        signed_in(tab)
        _, options = tab.post("/auth/passkeys/register/options")
        made = tab.ask(CREATE, options["data"])
        tab.post("/auth/passkeys/register/verify", {"credential": made, "name": "Chromium"})
        _, options = tab.post("/auth/passkeys/register/options")

        with pytest.raises(BrowserFailed, match="InvalidStateError"):
            tab.ask(CREATE, options["data"])

    def test_are_refused_by_the_browser_at_another_host(self, tab: Tab, server: LiveServer) -> None:
        _, options = tab.post("/auth/passkeys/login/options")
        tab.page.visit(server.url.replace("localhost", "127.0.0.1") + "/docs")

        with pytest.raises(BrowserFailed, match="SecurityError"):
            tab.ask(GET, options["data"])

    def test_are_refused_without_user_verification(self, tab: Tab) -> None:
        signed_in(tab)
        _, options = tab.post("/auth/passkeys/register/options")
        made = tab.ask(CREATE, options["data"])
        tab.post("/auth/passkeys/register/verify", {"credential": made, "name": "Chromium"})
        tab.token = ""
        tab.page.call("WebAuthn.setUserVerified", authenticatorId=tab.authenticator, isUserVerified=False)
        _, options = tab.post("/auth/passkeys/login/options")
        signed = tab.ask(GET, {**options["data"], "userVerification": "discouraged"})

        answer = tab.post("/auth/passkeys/login/verify", {"credential": signed})

        assert (answer[0], answer[1]["error"]["code"]) == (401, "INVALID_PASSKEY")
