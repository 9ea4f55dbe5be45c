import re
from typing import Any

import pytest

from tests.api import Answer, Api, a_user, an_admin
from tests.web.answers import BROWSER, Asked
from tests.web.conftest import Layered
from tests.world import World

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-XSS-Protection": "0",
    "Server": "carboy",
}
ONCE = [*EVERYWHERE, "Referrer-Policy", "X-Request-ID", "Content-Security-Policy", "Cache-Control"]

API: list[Any] = [
    pytest.param(Asked("GET", "/health"), 200, id="a bare answer"),
    pytest.param(Asked("GET", "/api/v1/visits"), 200, id="a success"),
    pytest.param(Asked("HEAD", "/api/v1/visits"), 200, id="a success without body"),
    pytest.param(Asked("POST", "/api/v1/visits"), 201, id="a creation"),
    pytest.param(Asked("GET", "/openapi.json"), 200, id="the document"),
    pytest.param(Asked("GET", "/openapi.yaml"), 200, id="the document as YAML"),
    pytest.param(Asked("POST", "/auth/login", data=b"{"), 400, id="400"),
    pytest.param(Asked("GET", "/auth/me"), 401, id="401"),
    pytest.param(Asked("GET", "/nothing"), 404, id="404"),
    pytest.param(Asked("GET", "/auth/nothing", headers={"Accept": BROWSER}), 404, id="404 of the API, in a browser"),
    pytest.param(Asked("DELETE", "/health"), 405, id="405"),
    pytest.param(Asked("OPTIONS", "/health"), 405, id="405 of OPTIONS"),
    pytest.param(Asked("POST", "/auth/login", data=b" " * 20_000), 413, id="413"),
    pytest.param(Asked("POST", "/auth/login", body={}), 422, id="422"),
    pytest.param(Asked("GET", "/static/nothing.css"), 404, id="404 of a file"),
]
PAGES: list[Any] = [
    pytest.param(Asked("GET", "/", headers={"Accept": BROWSER}), 200, id="the start"),
    pytest.param(Asked("GET", "/docs"), 200, id="the reference"),
    pytest.param(Asked("HEAD", "/docs"), 200, id="the reference without body"),
    pytest.param(Asked("GET", "/setup?code=x"), 200, id="the setup"),
    pytest.param(Asked("GET", "/nothing", headers={"Accept": BROWSER}), 404, id="404"),
    pytest.param(Asked("DELETE", "/docs", headers={"Accept": BROWSER}), 405, id="405"),
]
FILES: list[Any] = [
    pytest.param(Asked("GET", "/static/page.css"), 200, id="a style"),
    pytest.param(Asked("GET", "/static/icon.svg"), 200, id="a picture"),
    pytest.param(Asked("GET", "/static/docs/docs.js"), 200, id="a script"),
    pytest.param(Asked("GET", "/static/page.css", headers={"Range": "bytes=0-3"}), 206, id="a part of a file"),
]


def ask(api: Api, asked: Asked, status: int) -> Answer:
    answer = asked.by(api)
    assert answer.status_code == status, answer.text
    return answer


@pytest.fixture
def secure_api(layered: Layered, world: World) -> Api:
    """The service that users reach over https."""
    return Api(layered(public_url="https://carboy.test"))


class TestEveryAnswer:
    @pytest.mark.parametrize(("asked", "status"), [*API, *PAGES, *FILES])
    def test_carries_each_header_once(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert {name: answer.headers.getlist(name) for name in EVERYWHERE} == {
            name: [value] for name, value in EVERYWHERE.items()
        }
        assert [name for name in ONCE if len(answer.headers.getlist(name)) != 1] == []

    @pytest.mark.parametrize(("asked", "status"), [*API, *PAGES, *FILES])
    def test_has_strict_transport_security_when_users_come_over_https(
        self, secure_api: Api, asked: Asked, status: int
    ) -> None:
        answer = ask(secure_api, asked, status)

        assert answer.headers.getlist("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]

    @pytest.mark.parametrize(("asked", "status"), [*API[:3], *PAGES[:2], *FILES[:1]])
    def test_has_none_over_http(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert "Strict-Transport-Security" not in answer.headers

    @pytest.mark.parametrize(("asked", "status"), [*API, *PAGES])
    def test_is_kept_by_nobody(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(("asked", "status"), [*API, *PAGES, *FILES])
    def test_tells_nothing_of_what_we_are_made_of(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert "X-Powered-By" not in answer.headers
        assert not re.search(r"werkzeug|python|flask|granian", str(answer.headers), re.IGNORECASE)

    def test_sets_no_cookie(self, api: Api) -> None:
        person = a_user()

        answers = [api.sign_in(person), api.get("/", headers={"Accept": BROWSER}), api.as_(person).get("/auth/me")]

        assert ["Set-Cookie" in answer.headers for answer in answers] == [False] * 3


class TestApi:
    @pytest.mark.parametrize(("asked", "status"), [*API, *FILES])
    def test_lets_a_browser_run_and_load_nothing(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert answer.headers["Content-Security-Policy"] == API_POLICY
        assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"

    def test_does_so_also_in_answers_without_body(self, api: Api) -> None:
        answer = api.as_(a_user()).post("/auth/logout")

        assert answer.status_code == 204
        assert answer.headers["Content-Security-Policy"] == API_POLICY
        assert "Content-Type" not in answer.headers
        assert answer.data == b""

    def test_does_so_also_when_such_an_answer_is_repeated(self, api: Api) -> None:
        person, admin = a_user(), api.as_(an_admin())
        ask = Asked("POST", f"/api/v1/users/{person.id}/sessions:revoke", headers={"Idempotency-Key": "key"})

        first, again = ask.by(admin), ask.by(admin)

        assert (first.status_code, again.status_code) == (204, 204)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Content-Security-Policy"] == API_POLICY
        assert "Content-Type" not in again.headers


class TestPages:
    @pytest.mark.parametrize(("asked", "status"), PAGES)
    def test_run_and_load_what_is_ours_only(self, api: Api, asked: Asked, status: int) -> None:
        answer = ask(api, asked, status)

        assert answer.headers["Content-Security-Policy"] == PAGE_POLICY
        assert answer.content_type == "text/html; charset=utf-8"

    @pytest.mark.parametrize(("asked", "status"), PAGES)
    def test_need_nothing_that_their_policy_forbids(self, api: Api, asked: Asked, status: int) -> None:
        text = ask(api, asked, status).text

        assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == []
        assert re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', text) == []

    @pytest.mark.parametrize("path", ["/", "/docs", "/setup", "/nothing"])
    def test_load_files_that_are_there(self, api: Api, path: str) -> None:
        page = api.get(path, headers={"Accept": BROWSER}).text

        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))

        assert files
        assert {file: api.get(file).status_code for file in files} == dict.fromkeys(files, 200)

    def test_reached_by_a_one_time_link_pass_it_on_to_nobody(self, api: Api) -> None:
        assert api.get("/setup?code=x").headers["Referrer-Policy"] == "no-referrer"


class TestFiles:
    def test_may_be_kept(self, api: Api) -> None:
        assert api.get("/static/page.css").headers["Cache-Control"] == "public, max-age=3600"

    def test_are_not_sent_again_when_they_did_not_change(self, api: Api) -> None:
        tag = api.get("/static/page.css").headers["ETag"]

        answer = api.get("/static/page.css", headers={"If-None-Match": tag})

        assert answer.status_code == 304
        assert answer.data == b""
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        "path",
        ["/static/", "/static/docs", "/static/../application.py", "/static/%2e%2e/errors.py", "/static/..%2ferrors.py"],
    )
    def test_are_those_of_the_folder_only(self, api: Api, path: str) -> None:
        assert api.get(path).status_code == 404

    def test_of_keys_may_be_kept_too(self, api: Api) -> None:
        assert api.get("/.well-known/jwks.json").headers["Cache-Control"] == "public, max-age=600"
