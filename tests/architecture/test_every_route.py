"""What holds for every route, also for one that is added tomorrow."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from app.core import clock
from app.features.auth.models import Session
from app.infra import db
from app.web.declaration import Access
from tests.api import Answer, Api, an_admin
from tests.architecture.routes import Route, routes
from tests.world import World

FOREIGN = [
    *("id", "user_id", "role", "is_admin", "is_superuser", "email_verified", "email_verified_at", "mfa_enabled"),
    *("password_hash", "hash", "secret_hash", "created_at", "deleted_at", "version", "actor_id", "impersonator_id"),
    *("reauthenticated_at", "__class__", "$where", "constructor"),
]
"""Fields that a client may try to set although no body has them."""

COOKIES = ["session", "__Host-session", "access_token", "token", "jwt", "Authorization", "console", "__Host-console"]
DEEP = b"[" * 5000 + b"]" * 5000
BODIES: list[tuple[bytes, str]] = [
    *((body, "application/json") for body in (b"", b"{", b"[]", b"null", b'"x"', b"1e999", b'{"a":NaN}', b"\xff\xfe")),
    *((body, "application/json") for body in (DEEP, b'{"a":1,"a":2}', b'{"a":"\\u0000"}', b'{"\\ud800":1}', b"{}")),
    (b'{"__proto__":{"x":1},"email":{"$ne":1},"password":[1],"token":null,"code":1e400}', "application/json"),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "application/xml"),
    (b"code=%00&token=%ff&username[]=1", "application/x-www-form-urlencoded"),
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--', "multipart/form-data; boundary=x"),
    (b"{}", "application/json; charset=utf-16"),
    (b"{}", "\x01/\x02"),
]
HEADERS = [
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer " + "a." * 3000},
    {"Authorization": "Basic \xff\xfe"},
    {"Authorization": "Bearer cby_\x01"},
    {"X-API-Key": "'; DROP TABLE users; --"},
    {"Cookie": "session=\xff; =; ;;; console=" + "x" * 4000},
    {"If-Match": '"\xff", W/"', "If-None-Match": "*"},
    {"Idempotency-Key": "\x01"},
    {"Idempotency-Key": "k" * 300},
    {"Accept": "\xff/*;q=none", "Accept-Language": "x" * 5000, "Accept-Encoding": "\x02"},
    {"Content-Encoding": "gzip"},
    {"X-Request-ID": "../../etc", "traceparent": "00-zz", "X-Forwarded-For": "\xff,,", "Forwarded": "for=_"},
    {"Range": "bytes=9-1", "Origin": "null", "Referer": "javascript:1", "Host": "evil.test:99999"},
]
QUERIES = ["?page=-1", "?cursor=%ff", "?sort=%00", "?x[]=1&x=2", "?q=%F0%28", "?per_page=9e9", "?" + "a=1&" * 2000]
PARTS = ["0", "-1", "9" * 40, "1.0", "%00", "%ff", "..%2f..%2fetc", "1;drop", "\u0661", "{}", "%F0%9F%92%A9"]


@pytest.fixture
def administrator(api: Api) -> Api:
    return a_mighty_one(api)


def a_mighty_one(api: Api) -> Api:
    """Return a new administrator who has just proved that it is they."""
    signed_in = api.as_(an_admin())
    with db.unit_of_work():
        db.session().execute(update(Session).values(reauthenticated_at=clock.now()))
    return signed_in


class TestFields:
    def test_that_a_body_does_not_have_are_refused_and_not_repeated(self, world: World, administrator: Api) -> None:
        takers = [route for route in routes(world.app) if route.declaration.takes and route.is_api]

        accepted = {str(route): names for route in takers if (names := self.accepted(administrator, route))}

        assert accepted == {}
        assert len(takers) >= 10

    def accepted(self, administrator: Api, route: Route) -> set[str]:
        """Return the foreign fields that a route does not complain of."""
        assert route.declaration.takes is not None
        own = {field.alias or name for name, field in route.declaration.takes.model_fields.items()}
        body = {name: "submitted-7-Value" for name in FOREIGN if name not in own}
        answer = administrator.send(route.method, route.path(), body)
        assert answer.status_code == 422, f"{route}: {answer.text[:300]}"
        assert "submitted-7-Value" not in answer.text
        return body.keys() - answer.details.keys()


class TestCookies:
    def test_alone_are_as_nothing_to_the_api(self, world: World, api: Api, administrator: Api) -> None:
        sent = {"Cookie": "; ".join(f"{name}={administrator.token}" for name in COOKIES)}
        guarded = [
            route for route in routes(world.app) if route.is_api and route.declaration.access is not Access.PUBLIC
        ]

        answers = {str(route): api.send(route.method, route.path(), headers=sent).status_code for route in guarded}

        assert {route: status for route, status in answers.items() if status != 401} == {}
        assert len(answers) >= 15


def trials(route: Route) -> Iterator[dict[str, Any]]:
    """Yield everything that is tried on a route."""
    for headers in HEADERS:
        yield {"path": route.path(), "headers": headers}
    for query in QUERIES:
        yield {"path": route.path() + query}
    for part in PARTS if route.has_parts else ():
        yield {"path": route.path(part)}
    for body, kind in BODIES if route.method != "GET" else ():
        yield {"path": route.path(), "data": body, "headers": {"Content-Type": kind}}


def is_sound(route: Route, answer: Answer) -> bool:
    """Tell whether an answer is no failure of ours, and of the form that our failures have."""
    if answer.status_code >= 500:
        return False
    return answer.status_code < 400 or not route.is_api or set(orjson.loads(answer.data)["error"]) >= {"code"}


class TestRubbish:
    @pytest.mark.slow
    @pytest.mark.parametrize("mighty", [False, True], ids=["from anybody", "from an administrator"])
    def test_breaks_no_route(self, world: World, api: Api, lines: list[bytes], mighty: bool) -> None:  # noqa: FBT001 -- a parameter of the test
        broken = [
            f"{route} {trial} {answer.status_code} {answer.text[:200]}"
            for route in routes(world.app)
            for client in [{False: lambda: api, True: lambda: a_mighty_one(api)}[mighty]()]
            for trial in trials(route)
            if not is_sound(route, answer := client.send(route.method, **trial))
        ]

        assert broken == []
        assert [line for line in lines if b'"level":"ERROR"' in line] == []
