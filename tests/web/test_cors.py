import pytest

from tests.api import Answer, Api, a_user
from tests.web.conftest import Layered
from tests.world import World

APP, OTHER = "https://app.test", "https://other.test"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
PATHS = ["/health", "/nothing", "/auth/me", "/static/page.css", "/docs"]


def granted(answer: Answer) -> list[str]:
    return [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


@pytest.fixture
def open_api(layered: Layered, world: World) -> Api:
    """The service with two origins that may call it."""
    return Api(layered(allowed_origins=f"{APP},{OTHER}"))


class TestByDefault:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("origin", [APP, "null", "http://carboy.test"])
    def test_nobody_reads_an_answer(self, api: Api, path: str, origin: str) -> None:
        answer = api.get(path, headers={"Origin": origin})

        assert granted(answer) == []

    def test_preflights_are_refused(self, api: Api) -> None:
        answer = api.send("OPTIONS", "/auth/me", headers={"Origin": APP, **PREFLIGHT})

        assert answer.status_code == 405
        assert granted(answer) == []


class TestNamedOrigins:
    @pytest.mark.parametrize("origin", [APP, OTHER])
    @pytest.mark.parametrize("path", PATHS)
    def test_read_answers_and_failures(self, open_api: Api, path: str, origin: str) -> None:
        answer = open_api.get(path, headers={"Origin": origin})

        assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]

    def test_see_the_headers_that_clients_need(self, open_api: Api) -> None:
        answer = open_api.get("/auth/me", headers={"Origin": APP})

        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Location", "Retry-After", "X-Request-ID", "RateLimit", "RateLimit-Policy"} <= set(exposed)

    @pytest.mark.parametrize("path", PATHS)
    def test_are_answered_when_they_ask_first(self, open_api: Api, path: str) -> None:
        answer = open_api.send("OPTIONS", path, headers={"Origin": APP, **PREFLIGHT})

        assert answer.status_code == 204
        assert answer.data == b""
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "If-Match" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Access-Control-Max-Age"] == "600"

    def test_are_answered_with_the_headers_of_every_answer(self, open_api: Api) -> None:
        answer = open_api.send("OPTIONS", "/auth/me", headers={"Origin": APP, **PREFLIGHT})

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-ID"]

    def test_send_tokens_themselves_never_cookies(self, open_api: Api) -> None:
        person = a_user()
        answers = [
            open_api.as_(person).get("/auth/me", headers={"Origin": APP}),
            open_api.send("OPTIONS", "/auth/me", headers={"Origin": APP, **PREFLIGHT}),
        ]

        assert [answer.status_code for answer in answers] == [200, 204]
        assert ["Access-Control-Allow-Credentials" in answer.headers for answer in answers] == [False, False]


class TestOtherOrigins:
    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.test",
            "null",
            "",
            "http://app.test",
            "https://app.test:8443",
            "https://app.test/",
            "https://app.test.evil.test",
            "https://evil-app.test",
            "https://APP.test",
            "https://app.test, https://evil.test",
            "*",
        ],
    )
    def test_get_nothing(self, open_api: Api, origin: str) -> None:
        answers = [
            open_api.get("/auth/me", headers={"Origin": origin}),
            open_api.send("OPTIONS", "/auth/me", headers={"Origin": origin, **PREFLIGHT}),
        ]

        assert [granted(answer) for answer in answers] == [[], []]

    def test_and_no_origin_get_nothing_either(self, open_api: Api) -> None:
        assert granted(open_api.get("/auth/me")) == []

    @pytest.mark.parametrize("headers", [{}, {"Origin": APP}, {"Origin": "https://evil.test"}])
    @pytest.mark.parametrize("path", PATHS)
    def test_make_caches_tell_them_apart(self, open_api: Api, path: str, headers: dict[str, str]) -> None:
        answer = open_api.get(path, headers=headers)

        assert "Origin" in answer.headers.getlist("Vary")


class TestAnyOrigin:
    """``*``, which only development starts with."""

    @pytest.fixture
    def any_api(self, layered: Layered, world: World) -> Api:
        return Api(layered(allowed_origins="*"))

    def test_is_told_its_own_name(self, any_api: Api) -> None:
        answer = any_api.get("/health", headers={"Origin": APP})

        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert "Access-Control-Allow-Credentials" not in answer.headers

    def test_is_nobody_without_a_name(self, any_api: Api) -> None:
        assert granted(any_api.get("/health")) == []
