from typing import Any, NoReturn

import pytest

from app.core import errors
from app.web.application import Routes
from app.web.caller import public
from app.web.errors import STATUSES, status_of
from app.web.schemas import returns
from app.web.versions import PreconditionRequired
from tests.api import Answer, Api, a_user
from tests.web.answers import BROWSER, PROBLEM, Asked, failure, problem
from tests.web.conftest import Layered
from tests.world import World

KINDS: list[Any] = [
    pytest.param(errors.Malformed(), 400, "MALFORMED_REQUEST", id="400"),
    pytest.param(errors.Unauthenticated(), 401, "UNAUTHENTICATED", id="401"),
    pytest.param(errors.InvalidToken(), 401, "INVALID_TOKEN", id="401 invalid token"),
    pytest.param(errors.Forbidden(), 403, "FORBIDDEN", id="403"),
    pytest.param(errors.NotFound(), 404, "NOT_FOUND", id="404"),
    pytest.param(errors.Conflict(), 409, "CONFLICT", id="409"),
    pytest.param(errors.EditedMeanwhile(), 412, "PRECONDITION_FAILED", id="412"),
    pytest.param(errors.Invalid(), 422, "VALIDATION_ERROR", id="422"),
    pytest.param(PreconditionRequired(), 428, "PRECONDITION_REQUIRED", id="428"),
    pytest.param(errors.TooMany(retry_after=7), 429, "RATE_LIMITED", id="429"),
    pytest.param(errors.Unavailable(), 503, "UNAVAILABLE", id="503"),
    pytest.param(ZeroDivisionError("canary"), 500, "INTERNAL_ERROR", id="500"),
]
REAL: list[Any] = [
    pytest.param(Asked("POST", "/auth/login", data=b"{"), 400, "MALFORMED_REQUEST", id="400"),
    pytest.param(Asked("GET", "/health", headers={"Host": "a..b"}), 400, "BAD_REQUEST", id="400 host"),
    pytest.param(Asked("GET", "/auth/me"), 401, "UNAUTHENTICATED", id="401"),
    pytest.param(Asked("GET", "/auth/me", headers={"Authorization": "Bearer x"}), 401, "INVALID_TOKEN", id="401 dead"),
    pytest.param(
        Asked("POST", "/auth/login", body={"username": "nobody", "password": "x"}),
        401,
        "INVALID_CREDENTIALS",
        id="401 sign-in",
    ),
    pytest.param(Asked("GET", "/nothing"), 404, "NOT_FOUND", id="404"),
    pytest.param(Asked("DELETE", "/auth/login"), 405, "METHOD_NOT_ALLOWED", id="405"),
    pytest.param(Asked("POST", "/auth/login", data=b" " * 20_000), 413, "PAYLOAD_TOO_LARGE", id="413"),
    pytest.param(
        Asked("POST", "/auth/login", data=b"{}", headers={"Content-Type": "text/plain"}),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        id="415",
    ),
    pytest.param(
        Asked("GET", "/static/page.css", headers={"Range": "bytes=999999-"}),
        416,
        "REQUESTED_RANGE_NOT_SATISFIABLE",
        id="416",
    ),
    pytest.param(Asked("POST", "/auth/login", body={}), 422, "VALIDATION_ERROR", id="422"),
]

ROUTES = Routes("throwaway", __name__)
RAISED: list[Exception] = []
"""What ``/fail`` raises next."""


@ROUTES.get("/fail")
@public
@returns(status=204)
def fail() -> NoReturn:
    raise RAISED.pop()


@pytest.fixture
def api(layered: Layered, world: World) -> Api:
    """The service with an address that fails."""
    return Api(layered(ROUTES))


def failed(api: Api, error: Exception, **headers: str) -> Answer:
    RAISED[:] = [error]
    return api.get("/fail", headers=headers)


class TestEnvelope:
    @pytest.mark.parametrize(("error", "status", "code"), KINDS)
    def test_holds_every_kind_of_failure(self, api: Api, error: Exception, status: int, code: str) -> None:
        answer = failed(api, error)

        assert failure(answer, status, code) == {}

    @pytest.mark.parametrize(("asked", "status", "code"), REAL)
    def test_holds_what_is_refused_before_a_view(self, api: Api, asked: Asked, status: int, code: str) -> None:
        answer = asked.by(api)

        details = failure(answer, status, code)
        assert bool(details) == (status == 422)

    def test_says_what_is_wrong_with_each_field(self, api: Api) -> None:
        answer = api.post("/auth/register", {"username": 1, "email": "a@b.test", "colour": "red"})

        details = failure(answer, 422, "VALIDATION_ERROR")
        assert set(details) == {"username", "password", "colour"}
        assert all(isinstance(reason, str) for reasons in details.values() for reason in reasons)

    def test_holds_every_kind_that_there_is(self) -> None:
        raised = {type(case.values[0]) for case in KINDS}

        assert set(STATUSES) <= raised

    def test_answers_a_failure_of_a_feature_as_the_kind_that_it_is(self) -> None:
        class RocketGone(errors.Conflict):
            code = "ROCKET_GONE"

        class RocketGoneForEver(RocketGone):
            code = "ROCKET_GONE_FOR_EVER"

        assert status_of(RocketGoneForEver) == 409


class TestProblem:
    @pytest.mark.parametrize(("error", "status", "code"), KINDS)
    def test_holds_every_kind_of_failure(self, api: Api, error: Exception, status: int, code: str) -> None:
        answer = failed(api, error, Accept=PROBLEM)

        assert problem(answer, status, code) == []
        assert "errors" not in answer.json

    @pytest.mark.parametrize(("asked", "status", "code"), REAL)
    def test_holds_what_is_refused_before_a_view(self, api: Api, asked: Asked, status: int, code: str) -> None:
        answer = asked.by(api, Accept=PROBLEM)

        errors_found = problem(answer, status, code)
        assert bool(errors_found) == (status == 422)

    def test_points_to_each_field(self, api: Api) -> None:
        answer = api.post(
            "/auth/register",
            {"username": 1, "email": "a@b.test", "password": "x", "colour": "red"},
            headers={"Accept": PROBLEM},
        )

        errors_found = problem(answer, 422, "VALIDATION_ERROR")
        assert {error["pointer"] for error in errors_found} == {"/username", "/colour"}

    def test_points_into_lists(self, api: Api) -> None:
        refused = errors.Invalid(details={"roles.1": ["Unknown.", "Too long."]})

        answer = failed(api, refused, Accept=PROBLEM)

        assert problem(answer, 422, "VALIDATION_ERROR") == [
            {"pointer": "/roles/1", "detail": "Unknown."},
            {"pointer": "/roles/1", "detail": "Too long."},
        ]

    def test_escapes_names_that_look_like_pointers(self, api: Api) -> None:
        refused = errors.Invalid(details={"a/b~c": ["Unknown."]})

        answer = failed(api, refused, Accept=PROBLEM)

        assert problem(answer, 422, "VALIDATION_ERROR") == [{"pointer": "/a~1b~0c", "detail": "Unknown."}]

    @pytest.mark.parametrize(
        "accepted",
        [PROBLEM, f"{PROBLEM}, application/json", f"application/json, {PROBLEM}", f"{BROWSER},{PROBLEM}"],
    )
    def test_is_sent_to_whoever_accepts_it(self, api: Api, accepted: str) -> None:
        answer = api.get("/nothing", headers={"Accept": accepted})

        assert problem(answer, 404, "NOT_FOUND") == []

    def test_leaves_successes_as_they_are(self, api: Api) -> None:
        answer = api.get("/api/v1/visits", headers={"Accept": PROBLEM})

        assert answer.content_type == "application/json"
        assert answer.json["status"] == "success"


class TestPage:
    @pytest.mark.parametrize("path", ["/nothing", "/authors", "/apiary", "/authentic/x", "/static/nothing.css"])
    def test_is_what_a_browser_gets_outside_the_api(self, api: Api, path: str) -> None:
        answer = api.get(path, headers={"Accept": BROWSER})

        assert answer.status_code == 404
        assert answer.content_type == "text/html; charset=utf-8"
        assert "There is nothing at this address." in answer.text

    @pytest.mark.parametrize("path", ["/auth", "/auth/nothing", "/api", "/api/v1/nothing", "/api/"])
    def test_is_never_what_the_api_answers(self, api: Api, path: str) -> None:
        answer = api.get(path, headers={"Accept": BROWSER})

        assert failure(answer, 404, "NOT_FOUND") == {}

    @pytest.mark.parametrize("accepted", ["*/*", "application/json", "", "image/png"])
    def test_is_not_what_programs_get(self, api: Api, accepted: str) -> None:
        answer = api.get("/nothing", headers={"Accept": accepted})

        assert failure(answer, 404, "NOT_FOUND") == {}

    @pytest.mark.parametrize(("error", "status", "code"), KINDS)
    def test_tells_people_of_every_kind_of_failure(self, api: Api, error: Exception, status: int, code: str) -> None:
        answer = failed(api, error, Accept=BROWSER)

        assert answer.status_code == status
        assert f"<h1>{status}</h1>" in answer.text

    def test_lists_what_is_wrong_and_escapes_it(self, api: Api) -> None:
        refused = errors.Invalid(details={"<b>name": ["Use <i>letters</i>."]})

        answer = failed(api, refused, Accept=BROWSER)

        assert "&lt;b&gt;name" in answer.text
        assert "Use &lt;i&gt;letters&lt;/i&gt;." in answer.text

    def test_shows_nothing_of_the_address_that_was_typed(self, api: Api) -> None:
        answer = api.get("/<script>alert(1)</script>?canary", headers={"Accept": BROWSER})

        assert "alert" not in answer.text
        assert "canary" not in answer.text


class TestHeaders:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}, {"Cookie": "session=x"}])
    def test_ask_for_credentials(self, api: Api, headers: dict[str, str]) -> None:
        answer = api.get("/auth/me", headers=headers)

        assert failure(answer, 401, "UNAUTHENTICATED") == {}
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize("sent", ["Bearer x", "bearer x", "Bearer", "Bearer "])
    def test_say_that_credentials_are_dead(self, api: Api, sent: str) -> None:
        answer = api.get("/auth/me", headers={"Authorization": sent})

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'

    def test_say_when_to_come_back(self, api: Api) -> None:
        answer = failed(api, errors.TooMany(retry_after=7))

        assert answer.headers["Retry-After"] == "7"

    def test_say_when_a_neighbour_may_be_back(self, api: Api) -> None:
        answer = failed(api, errors.Unavailable())

        assert answer.headers["Retry-After"] == "5"

    @pytest.mark.parametrize(("error", "status", "code"), [case for case in KINDS if case.values[1] not in {429, 503}])
    def test_say_so_in_no_other_case(self, api: Api, error: Exception, status: int, code: str) -> None:
        assert "Retry-After" not in failed(api, error).headers

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/auth/login", "POST"),
            ("POST", "/health", "GET, HEAD"),
            ("PUT", "/auth/me", "DELETE, GET, HEAD, PATCH"),
            ("POST", "/api/v1/users/1", "DELETE, GET, HEAD, PATCH, PUT"),
            ("POST", "/api/v1/audit-events", "GET, HEAD"),
            ("BREW", "/api/v1/users", "GET, HEAD, POST"),
        ],
    )
    def test_list_the_methods_that_an_address_takes(self, api: Api, method: str, path: str, allowed: str) -> None:
        answer = api.send(method, path)

        failure(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == allowed

    def test_are_the_same_for_what_exists_and_what_does_not(self, api: Api) -> None:
        somebody, nobody = a_user().id, 999_999_999
        person = api.as_(a_user())

        existing, missing = (person.get(f"/api/v1/users/{user}") for user in (somebody, nobody))

        assert failure(existing, 403, "FORBIDDEN") == failure(missing, 403, "FORBIDDEN") == {}
        assert existing.json["error"] == missing.json["error"]
