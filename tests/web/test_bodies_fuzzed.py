"""Whatever is sent: an answer in our form, never a fault of ours, and nothing of it comes back."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import Api, an_admin
from tests.web.answers import PROBLEM, Asked, failure, problem
from tests.world import World

SECRET = "canary-Zq7-in-the-mine"

FIELDS = [
    "username",
    "email",
    "password",
    "first_name",
    "last_name",
    "locale",
    "roles",
    "is_active",
    "refresh_token",
    "current_password",
    "new_password",
    "name",
    "description",
    "permissions",
    "page",
    "id",
]
HEADERS = ["Accept", "Authorization", "Cookie", "Host", "If-Match", "Origin", "Range", "X-Request-ID"]
ENDPOINTS = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/password/change"),
    ("PATCH", "/auth/me"),
    ("POST", "/api/v1/users"),
    ("PUT", "/api/v1/users/1"),
    ("PATCH", "/api/v1/users/1"),
    ("POST", "/api/v1/roles"),
    ("PATCH", "/api/v1/roles/1"),
    ("POST", "/api/v1/visits"),
]

_scalars = (
    st.just(SECRET)
    | st.text(max_size=10).map(lambda text: f"{text}{SECRET}")
    | st.text(st.characters(exclude_categories=[]), max_size=10).map(lambda text: f"{SECRET}{text}")
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
)
_junk = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner), max_leaves=6
)
_bodies = st.dictionaries(st.sampled_from(FIELDS), _junk, min_size=1, max_size=8)
_bytes = st.binary(max_size=40).map(lambda raw: b"{" + raw + SECRET.encode())

_fast = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def admin(world: World) -> Api:
    """Somebody who may do everything, so that bodies are looked at."""
    return Api(world.app).as_(an_admin(username="fuzzing-admin"))


@pytest.fixture
def document(api: Api) -> Any:
    return api.get("/openapi.json").json


def documented(document: Any, asked: Asked) -> set[str]:
    template = asked.path.replace("users/1", "users/{user_id}").replace("roles/1", "roles/{role_id}")
    return set(document["paths"][template][asked.method.lower()]["responses"])


def is_refusal(status: int) -> bool:
    return 400 <= status < 500


class TestWhateverIsSent:
    @_fast
    @pytest.mark.parametrize(("method", "path"), ENDPOINTS)
    @given(body=_bodies)
    def test_as_json_is_answered_in_our_form(
        self, admin: Api, document: Any, method: str, path: str, body: dict[str, Any]
    ) -> None:
        asked = Asked(method, path, data=json.dumps(body).encode())

        answer = asked.by(admin)

        assert answer.status_code < 500, answer.text
        assert str(answer.status_code) in documented(document, asked)
        assert SECRET not in refusal(answer.status_code, answer.text)

    @_fast
    @pytest.mark.parametrize(("method", "path"), ENDPOINTS)
    @given(raw=_bytes)
    def test_as_bytes_is_malformed(self, admin: Api, method: str, path: str, raw: bytes) -> None:
        answer = Asked(method, path, data=raw).by(admin)

        assert failure(answer, 400, "MALFORMED_REQUEST") == {}
        assert SECRET not in answer.text

    @_fast
    @pytest.mark.parametrize(("method", "path"), ENDPOINTS[:3])
    @given(value=_junk)
    def test_as_the_value_of_an_unknown_field_is_not_repeated(
        self, admin: Api, method: str, path: str, value: Any
    ) -> None:
        answer = Asked(method, path, data=json.dumps({"unknown": value}, allow_nan=True).encode()).by(
            admin, Accept=PROBLEM
        )

        assert answer.status_code in {400, 422}
        assert problem(answer, answer.status_code, answer.json["code"]) or answer.status_code == 400
        assert SECRET not in answer.text

    @_fast
    @given(query=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
    def test_as_a_query_is_answered_in_our_form(self, admin: Api, query: dict[str, str]) -> None:
        answer = admin.get("/api/v1/users", query_string={**query, "q": SECRET})

        assert answer.status_code in {200, 422}
        assert SECRET not in answer.text

    @_fast
    @given(raw=st.binary(max_size=60))
    def test_as_a_query_of_bytes_is_answered_in_our_form(self, admin: Api, raw: bytes) -> None:
        answer = admin.get("/api/v1/users", environ_overrides={"QUERY_STRING": raw.decode("latin-1")})

        assert answer.status_code in {200, 400, 422}
        assert answer.json["status"] in {"success", "error"}

    @_fast
    @given(raw=st.binary(max_size=60))
    def test_as_a_path_is_answered_in_our_form(self, admin: Api, raw: bytes) -> None:
        answer = admin.get("/", environ_overrides={"PATH_INFO": "/api/v1/users/" + raw.decode("latin-1")})

        assert answer.status_code in {200, 404}
        assert answer.json["metadata"]["request_id"] == answer.headers["X-Request-ID"]

    @_fast
    @given(
        headers=st.dictionaries(
            st.sampled_from(HEADERS),
            st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30),
        )
    )
    def test_as_headers_is_answered_in_our_form(self, admin: Api, headers: dict[str, str]) -> None:
        answer = admin.patch("/api/v1/users/1", {"first_name": "x"}, headers=headers)

        assert answer.status_code < 500, answer.text
        assert len(answer.headers.getlist("X-Request-ID")) == 1


def refusal(status: int, text: str) -> str:
    """Return what was said in a refusal; a success may show what it stored."""
    return text if is_refusal(status) else ""
