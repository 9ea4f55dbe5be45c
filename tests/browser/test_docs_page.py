import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.browser import chromium
from tests.browser.chromium import Chromium, Page
from tests.world import SERVICES

DOCS = Path(__file__).parents[2] / "app" / "web" / "static" / "docs"
RECORDED = re.findall(r"\| `(\S+)` \| `([0-9a-f]{64})` \|", (DOCS / "VENDORED.md").read_text())

ME = '.opblock-get:has([data-path="/auth/me"])'

once = pytest.mark.skipif(not SERVICES, reason="no world changes the page, and this one has time")
needs_chromium = pytest.mark.skipif(
    chromium.executable() is None, reason=f"no Chromium on PATH, neither as {' nor as '.join(chromium.NAMES)}"
)


class LiveServer(Protocol):
    @property
    def url(self) -> str: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    path = chromium.executable()
    assert path
    with Chromium(path) as running:
        yield running


@pytest.fixture
def docs(browser: Chromium, live_server: LiveServer) -> Page:
    """Open the page and wait until every operation is drawn."""
    page = browser.page()
    page.visit(f"{live_server.url}/docs")
    page.wait_for("document.querySelector('.opblock')")
    return page


@once
@pytest.mark.browser
@needs_chromium
class TestDocsPage:
    def test_shows_every_path_of_the_openapi_document(self, docs: Page) -> None:
        drawn = "[...document.querySelectorAll('.opblock-summary [data-path]')].map(drawn => drawn.dataset.path)"

        described = docs.evaluate("fetch('/openapi.json').then(a => a.json()).then(d => Object.keys(d.paths))")
        shown = docs.evaluate(drawn)

        assert isinstance(described, list)
        assert isinstance(shown, list)
        assert "/auth/login" in shown
        assert set(described) <= set(shown)

    def test_is_served_under_a_policy_without_exceptions(self, docs: Page) -> None:
        policy = docs.evaluate("fetch('/docs').then(a => a.headers.get('content-security-policy'))")

        assert isinstance(policy, str)
        directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["style-src"] == "'self'"
        assert directives["connect-src"] == "'self'"
        assert "unsafe" not in policy

    def test_breaks_neither_the_policy_nor_itself(self, docs: Page) -> None:
        docs.click(f"{ME} .opblock-summary-control")
        docs.wait_for(f"document.querySelector({json.dumps(ME + ' .responses-wrapper')})")
        docs.click("section.models .models-control")
        docs.wait_for("document.querySelector('section.models.is-open article')")

        assert docs.violations == []
        assert docs.errors == []

    def test_asks_nothing_of_any_other_origin(self, docs: Page, live_server: LiveServer) -> None:
        asked = {url for url in docs.requests if not url.startswith("data:")}

        assert f"{live_server.url}/openapi.json" in asked
        assert {url for url in asked if not url.startswith(f"{live_server.url}/")} == set()

    def test_opens_an_operation_at_its_own_address(self, browser: Chromium, docs: Page) -> None:
        docs.click(f"{ME} .opblock-summary-control")
        docs.wait_for("location.hash.startsWith('#/')")

        again = browser.page()
        again.visit(str(docs.evaluate("location.href")))
        again.wait_for(f"document.querySelector({json.dumps(ME + '.is-open')})")

        assert again.errors == []  # Swagger UI objects to an underscore in a tag or an operationId.

    def test_tries_an_operation_with_a_bearer_token(self, docs: Page) -> None:
        docs.click(".auth-wrapper .btn.authorize")
        docs.fill("#auth-bearer-value", "a.dead.token")
        docs.click(".auth-container:has(#auth-bearer-value) .btn.authorize")
        docs.click(".modal-ux .close-modal")
        docs.click(f"{ME} .opblock-summary-control")
        docs.click(f"{ME} .try-out__btn")
        docs.click(f"{ME} .execute")
        docs.wait_for(f"document.querySelector({json.dumps(ME + ' .live-responses-table .response')})")

        shown = docs.text()
        assert "Authorization: Bearer a.dead.token" in shown
        assert "invalid_token" in shown
        assert docs.violations == []

    def test_writes_the_token_to_no_storage(self, docs: Page) -> None:
        docs.click(".auth-wrapper .btn.authorize")
        docs.fill("#auth-bearer-value", "a.dead.token")
        docs.click(".auth-container:has(#auth-bearer-value) .btn.authorize")
        docs.wait_for("document.querySelector('.auth-wrapper .btn.authorize.locked')")

        assert docs.evaluate("JSON.stringify({...localStorage, ...sessionStorage})") == "{}"

    def test_follows_the_dark_colour_scheme(self, docs: Page) -> None:
        docs.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

        docs.wait_for("document.documentElement.classList.contains('dark-mode')")


@once
@pytest.mark.browser
@needs_chromium
class TestPage:
    """Shows that the tests above can fail: the browser does tell when a page breaks its policy."""

    def test_notices_a_violation(self, docs: Page) -> None:
        docs.evaluate("document.body.setAttribute('style', 'color: red')")

        assert any("style" in violation for violation in docs.violations)

    def test_notices_a_console_error(self, docs: Page) -> None:
        docs.evaluate("console.error('spilled')")

        assert docs.errors == ["spilled"]


class TestVendoredFiles:
    def test_are_all_recorded(self) -> None:
        ours = {"docs.js", "docs.css", "VENDORED.md"}

        assert {name for name, _ in RECORDED} == {path.name for path in DOCS.iterdir()} - ours

    @pytest.mark.parametrize(("name", "digest"), RECORDED, ids=[name for name, _ in RECORDED])
    def test_are_unchanged(self, name: str, digest: str) -> None:
        assert hashlib.sha256((DOCS / name).read_bytes()).hexdigest() == digest
