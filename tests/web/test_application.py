from collections.abc import Callable

import pytest

from app.core.config import Settings
from app.core.permissions import Permission
from app.web.application import Routes, UndeclaredAccess, make
from app.web.caller import authenticated, public, requires
from app.web.declaration import View
from app.web.schemas import returns
from tests.api import Api, a_user, an_admin
from tests.web.answers import failure
from tests.web.conftest import Serve
from tests.world import World

BIG = 2**63
IDS = [
    str(BIG - 1),
    str(BIG),
    "1" * 20,
    "9" * 5000,
    "0",
    "-1",
    "1.5",
    "1e3",
    "0x1",
    "%D9%A1",
    "1%00",
    "1%ff",
    "1%zz",
    "me",
    "1;DROP TABLE users",
    "../users/1",
]


class TestRoutes:
    def test_refuse_a_view_that_does_not_say_who_may_call_it(self) -> None:
        routes = Routes("throwaway", __name__)

        with pytest.raises(
            UndeclaredAccess, match=r"/open: declare @requires\(…\), @authenticated or @public on anyone"
        ):

            @routes.get("/open")
            @returns(status=204)
            def anyone() -> None:
                """Say nothing of access."""

    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
    def test_refuse_it_with_every_method(self, method: str) -> None:
        routes = Routes("throwaway", __name__)

        with pytest.raises(UndeclaredAccess):
            getattr(routes, method)("/open")(lambda: None)

    @pytest.mark.parametrize(
        "declare",
        [
            pytest.param(public, id="public"),
            pytest.param(authenticated, id="authenticated"),
            pytest.param(requires(Permission.USERS_READ), id="a permission"),
        ],
    )
    def test_take_a_view_that_does(self, serve: Serve, declare: Callable[[View], View]) -> None:
        routes = Routes("throwaway", __name__)

        @returns(status=204)
        def view() -> None:
            """Do nothing."""

        routes.get("/declared")(declare(view))

        assert serve(routes).as_(an_admin()).get("/declared").status_code == 204


class TestIds:
    def test_that_nobody_has_are_not_found(self, api: Api) -> None:
        admin = api.as_(an_admin())

        answers = [admin.get(f"/api/v1/users/{number}") for number in IDS]

        assert [failure(answer, 404, "NOT_FOUND") for answer in answers] == [{} for _ in IDS]

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_that_nobody_has_are_not_found_by_any_method(self, api: Api, method: str) -> None:
        admin, body = api.as_(an_admin()), {"username": "grace", "email": "grace@navy.test"}

        answers = [admin.send(method, f"/api/v1/users/{number}", body) for number in IDS[:3]]

        assert [failure(answer, 404, "NOT_FOUND") for answer in answers] == [{}, {}, {}]

    @pytest.mark.parametrize("path", ["restore", "sessions:revoke"])
    def test_that_nobody_has_are_not_found_below_either(self, api: Api, path: str) -> None:
        answer = api.as_(an_admin()).post(f"/api/v1/users/{'1' * 20}/{path}")

        assert failure(answer, 404, "NOT_FOUND") == {}

    def test_of_sessions_are_uuids(self, api: Api) -> None:
        person = api.as_(a_user())
        names = ["x", "1", "0198a3c4", "0198a3c4-7b1e-7cc3-98c4-dc0c0c07398", "g" * 36]

        answers = [person.delete(f"/auth/sessions/{name}") for name in names]

        assert [failure(answer, 404, "NOT_FOUND") for answer in answers] == [{} for _ in names]


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("/health/", id="a slash at the end"),
            pytest.param("/auth//me", id="two slashes"),
            pytest.param("/api/v1//users", id="two slashes further in"),
            pytest.param("/HEALTH", id="capitals"),
            pytest.param("/auth/./me", id="a dot"),
            pytest.param("/auth/x/../me", id="two dots"),
            pytest.param("/auth%2Fme/x", id="an encoded slash"),
            pytest.param("/auth/me%00", id="U+0000"),
            pytest.param("/auth/me%0d%0aX-Forged:1", id="a line break"),
            pytest.param("/auth/me;x=1", id="a parameter"),
            pytest.param("/" + "a" * 8000, id="8000 letters"),
            pytest.param("/%F0%9F%98%80", id="an emoji"),
            pytest.param("/\u00e9", id="an accent"),
            pytest.param("/.env", id="a file of ours"),
            pytest.param("/api", id="the middle of a path"),
        ],
    )
    def test_that_lead_nowhere_are_not_found(self, api: Api, path: str) -> None:
        answer = api.get(path)

        assert failure(answer, 404, "NOT_FOUND") == {}
        assert "X-Forged" not in answer.headers

    @pytest.mark.parametrize("path", ["//auth/me", "///auth/me", "//evil.test/auth/me", "/\\evil.test"])
    def test_never_lead_elsewhere(self, api: Api, path: str) -> None:
        answer = api.get("/", environ_overrides={"PATH_INFO": path})

        assert answer.status_code in {401, 404}
        assert "Location" not in answer.headers
        assert "evil.test" not in str(answer.headers)

    @pytest.mark.parametrize("path", ["*", "no-slash", "http://evil.test/"])
    def test_of_odd_forms_are_no_fault_of_ours(self, api: Api, path: str) -> None:
        answer = api.get("/", environ_overrides={"PATH_INFO": path})

        assert answer.status_code in {200, 404}
        assert answer.json["status"] in {"success", "error"}


class TestMethods:
    @pytest.mark.parametrize("path", ["/health", "/api/v1/visits", "/auth/me", "/api/v1/users", "/docs"])
    def test_head_is_get_without_the_body(self, api: Api, path: str) -> None:
        admin = api.as_(an_admin())
        got, head = (admin.send(method, path, headers={"X-Request-ID": "the-same-id"}) for method in ("GET", "HEAD"))

        assert (head.status_code, head.data) == (200, b"")
        assert head.headers == got.headers

    @pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW", "G" * 500])
    def test_that_nothing_takes_are_refused(self, api: Api, method: str) -> None:
        answer = api.get("/health", environ_overrides={"REQUEST_METHOD": method})

        assert failure(answer, 405, "METHOD_NOT_ALLOWED") == {}
        assert answer.headers["Allow"] == "GET, HEAD"

    @pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
    def test_cannot_be_overridden(self, api: Api, header: str) -> None:
        person = a_user()

        answer = api.as_(an_admin()).post(f"/api/v1/users/{person.id}", {}, headers={header: "DELETE"})

        assert answer.status_code == 405


class TestHosts:
    @pytest.mark.parametrize(
        "host",
        ["evil.test", "a b<>", "", "\u00e9.test", "[::1", "evil.test:99999", "evil.test:abc", "a/b", "a..b", "x" * 300],
        ids=ascii,
    )
    def test_that_are_odd_are_no_fault_of_ours(self, api: Api, host: str) -> None:
        answer = api.get("/api/v1/visits", headers={"Host": host})

        assert answer.status_code in {200, 400}
        assert answer.json["status"] in {"success", "error"}

    def test_of_the_caller_are_in_no_answer(self, api: Api) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "password": "SecurePass123!"}

        answers = [
            api.post("/auth/register", body, headers={"Host": "evil.test"}),
            api.get("/docs", headers={"Host": "evil.test"}),
            api.get("/openapi.json", headers={"Host": "evil.test"}),
            api.get("/nothing", headers={"Host": "evil.test", "Accept": "text/html"}),
        ]

        assert answers[0].headers["Location"].startswith("/api/v1/users/")
        assert ["evil.test" in f"{answer.headers}{answer.text}" for answer in answers] == [False] * 4


class TestMake:
    def test_gives_each_service_its_name(self, world: World) -> None:
        app = world.with_settings(service_name="Accounts")

        assert Api(app).get("/health").json["service"] == "Accounts"
        assert Api(app).get("/health").headers["Server"] == "Accounts"
        assert "<title>Accounts" in Api(app).get("/docs").text
        assert make(Settings(_env_file=None, service_name="other")).name == "other"
