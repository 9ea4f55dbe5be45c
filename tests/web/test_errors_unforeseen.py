import json
from collections.abc import Iterable
from typing import Any, NoReturn, cast

import pytest
from sqlalchemy import text
from werkzeug.test import Client

from app.core.caller import OPERATOR
from app.features.access import service as access
from app.infra import db
from app.web.application import Routes
from app.web.caller import public
from app.web.headers import Environ, StartResponse
from app.web.request_log import RequestLog
from app.web.schemas import returns
from tests.api import Answer, Api, an_admin
from tests.web.answers import BROWSER, PROBLEM, failure
from tests.web.conftest import Serve
from tests.world import World

CANARY = "canary-in-the-mine"
FORMS = [pytest.param(form, id=form[:20]) for form in ("application/json", PROBLEM, BROWSER)]


@pytest.fixture
def routes() -> Routes:
    routes = Routes("throwaway", __name__)

    @routes.get("/fail")
    @public
    @returns(status=204)
    def fail() -> NoReturn:
        raise ZeroDivisionError(CANARY)

    @routes.get("/ask")
    @public
    @returns(status=204)
    def ask() -> None:
        db.session().execute(text("SELECT :value FROM nowhere"), {"value": CANARY})

    @routes.post("/store")
    @public
    @returns(status=204)
    def store() -> NoReturn:
        access.create_role(name="half-made", description="", permissions=[], by=OPERATOR)
        raise ZeroDivisionError

    @routes.get("/write")
    @public
    @returns(status=204)
    def write() -> None:
        access.create_role(name="written-by-a-get", description="", permissions=[], by=OPERATOR)

    return routes


def roles(api: Api) -> set[str]:
    return {role["name"] for role in api.as_(an_admin()).get("/api/v1/roles?per_page=100").result}


class TestUnforeseen:
    @pytest.mark.parametrize("path", ["/fail", "/ask"])
    @pytest.mark.parametrize("accepted", FORMS)
    def test_failures_tell_the_client_nothing(self, serve: Serve, routes: Routes, path: str, accepted: str) -> None:
        answer = serve(routes).get(path, headers={"Accept": accepted})

        assert answer.status_code == 500
        assert CANARY not in answer.text
        assert "Traceback" not in answer.text
        assert "SELECT" not in answer.text

    def test_failures_are_in_the_log_with_their_stack_and_request(
        self, serve: Serve, routes: Routes, lines: list[bytes]
    ) -> None:
        answer = serve(routes).get("/fail", headers={"X-Request-ID": "request-with-failure"})

        told, access_line = [json.loads(line) for line in lines[-2:]]
        assert failure(answer, 500, "INTERNAL_ERROR") == {}
        assert (told["level"], told["message"]) == ("ERROR", "unhandled")
        assert told["request_id"] == access_line["request_id"] == "request-with-failure"
        assert told["route"] == "/fail"
        assert "Traceback (most recent call last)" in told["extra"]["exception"]
        assert f"ZeroDivisionError: {CANARY}" in told["extra"]["exception"]
        assert (access_line["level"], access_line["status"]) == ("ERROR", 500)

    def test_failures_store_nothing(self, serve: Serve, routes: Routes) -> None:
        api = serve(routes)

        answer = api.post("/store")

        failure(answer, 500, "INTERNAL_ERROR")
        assert "half-made" not in roles(api)

    def test_failures_leave_the_next_request_alone(self, serve: Serve, routes: Routes) -> None:
        api = serve(routes)
        api.get("/fail")
        api.get("/ask")

        assert api.get("/api/v1/visits").status_code == 200

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_writing_in_a_safe_request_is_one_of_them(self, serve: Serve, routes: Routes, method: str) -> None:
        api = serve(routes)

        answer = api.send(method, "/write")

        assert answer.status_code == 500
        assert "written-by-a-get" not in roles(api)


class TestOutsideOfTheApp:
    """What even Flask does not catch."""

    @pytest.fixture
    def answer(self, world: World) -> Answer:
        def broken(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            raise ZeroDivisionError(CANARY)

        layer: Any = RequestLog(broken, world.settings)
        answered = Client(layer, Answer).get("/anything", headers={"X-Request-ID": "request-outside"})
        return cast("Answer", answered)

    def test_is_answered_in_our_form(self, answer: Answer) -> None:
        assert failure(answer, 500, "INTERNAL_ERROR") == {}
        assert CANARY not in answer.text

    def test_carries_the_headers_of_every_answer(self, answer: Answer) -> None:
        assert answer.headers["X-Request-ID"] == "request-outside"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"

    def test_is_in_the_log_with_its_stack(self, answer: Answer, lines: list[bytes]) -> None:
        told, access_line = [json.loads(line) for line in lines[-2:]]

        assert CANARY in told["extra"]["exception"]
        assert told["request_id"] == access_line["request_id"] == "request-outside"
        assert access_line["status"] == 500
