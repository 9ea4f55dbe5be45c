"""How many statements each route may send to the database; it is as many whatever there is to show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from app.core.caller import OPERATOR
from app.core.permissions import EVERYTHING
from app.features.access import service as access
from app.features.auth import service as auth
from app.features.auth import sessions as auth_sessions
from app.features.statistics import service as statistics
from app.features.visits import service as visits
from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_role, a_user, some_users
from tests.world import PASSWORD, World, counted_statements, settings

USERS, ROLES, VISITS, EVENTS = "/api/v1/users", "/api/v1/roles", "/api/v1/visits", "/api/v1/audit-events"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHANGE = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Battery"}
FEW, MANY = 3, 50


class Scene:
    """Who calls a route, and on what; made when it is asked for."""

    new: ClassVar = {"username": "newcomer", "email": "newcomer@people.test", "password": PASSWORD}

    def __init__(self, world: World) -> None:
        self.var = world.var
        self.api = Api(world.app)
        auth.public_keys()  # each process reads them once

    @cached_property
    def mighty(self) -> Api:
        return self.api.as_(a_holder_of(*EVERYTHING))

    @cached_property
    def person(self) -> Person:
        person = a_user(roles=("user", a_role()))
        self.api.sign_in(person)
        return person

    @cached_property
    def own(self) -> Api:
        return self.api.as_(self.person)

    @cached_property
    def user(self) -> str:
        return f"{USERS}/{self.person.id}"

    @cached_property
    def gone(self) -> str:
        self.mighty.delete(self.user)
        return self.user

    @cached_property
    def role(self) -> str:
        return self.mighty.post(ROLES, {"name": "made"}).headers["Location"]

    @cached_property
    def session(self) -> str:
        return f"/auth/sessions/{self.own.get('/auth/sessions').result[0]['id']}"

    @cached_property
    def login(self) -> dict[str, str]:
        return {"username": a_user().username, "password": PASSWORD}

    @cached_property
    def metrics(self) -> Api:
        statistics.connect(settings(self.var, metrics_token="a token of the tests"))
        return Api(self.api.app, "a token of the tests")

    @cached_property
    def setup(self) -> bytes:
        with db.unit_of_work():
            return urlencode({**self.new, "code": auth.make_setup_code()}).encode()


def users(_: Scene, number: int) -> None:
    some_users(number)


def roles(_: Scene, number: int) -> None:
    with db.unit_of_work():
        for place in range(number):
            access.create_role(name=f"crowd-{place}", description="", permissions=["users:read"], by=OPERATOR)


def sessions(scene: Scene, number: int) -> None:
    person = scene.person
    with db.unit_of_work():
        for _ in range(number):
            auth_sessions.start(user_id=person.id, methods=["pwd"])


def pages(scene: Scene, number: int) -> None:
    scene.api.get("/")
    for place in range(number):
        visits.count(f"/{place}")


@dataclass(frozen=True)
class Budget:
    """At most so many statements for a call, however large the crowd."""

    statements: int
    call: Callable[[Scene], Callable[[], Answer]]
    crowd: Callable[[Scene, int], None] = users

    def spend(self, world: World, number: int) -> list[str]:
        """Return what a call sends to the database when there is so much of everything."""
        world.reset()
        scene = Scene(world)
        self.crowd(scene, number)
        call = self.call(scene)
        with counted_statements() as seen:
            answer = call()
        assert answer.status_code < 400, answer.text
        return seen


def mighty(path: str) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.mighty.get, path)


def anybody(path: str) -> Callable[[Scene], Callable[[], Answer]]:
    return lambda s: partial(s.api.get, path)


BUDGETS = {
    "GET /": Budget(7, anybody("/"), pages),
    "GET /.well-known/jwks.json": Budget(0, anybody("/.well-known/jwks.json")),
    "GET /api/v1/audit-events": Budget(3, mighty(f"{EVENTS}?per_page=100"), roles),
    "GET /api/v1/permissions": Budget(1, mighty("/api/v1/permissions")),
    "GET /api/v1/roles": Budget(3, mighty(f"{ROLES}?per_page=100"), roles),
    "POST /api/v1/roles": Budget(8, lambda s: partial(s.mighty.post, ROLES, {"name": "help-desk"})),
    "GET /api/v1/roles/<id:role_id>": Budget(2, lambda s: partial(s.mighty.get, s.role), roles),
    "PATCH /api/v1/roles/<id:role_id>": Budget(
        7, lambda s: partial(s.mighty.patch, s.role, {"permissions": ["users:read"]})
    ),
    "DELETE /api/v1/roles/<id:role_id>": Budget(8, lambda s: partial(s.mighty.delete, s.role)),
    "GET /api/v1/users": Budget(3, mighty(f"{USERS}?per_page=100")),
    "POST /api/v1/users": Budget(15, lambda s: partial(s.mighty.post, USERS, s.new)),
    "GET /api/v1/users/<id:user_id>": Budget(2, lambda s: partial(s.mighty.get, s.user)),
    "PUT /api/v1/users/<id:user_id>": Budget(
        19, lambda s: partial(s.mighty.put, s.user, {"username": "newcomer", "email": "newcomer@people.test"})
    ),
    "PATCH /api/v1/users/<id:user_id>": Budget(
        23, lambda s: partial(s.mighty.patch, s.user, {"is_active": False, "roles": []})
    ),
    "DELETE /api/v1/users/<id:user_id>": Budget(13, lambda s: partial(s.mighty.delete, s.user), sessions),
    "POST /api/v1/users/<id:user_id>/restore": Budget(11, lambda s: partial(s.mighty.post, f"{s.gone}/restore")),
    "POST /api/v1/users/<id:user_id>/sessions:revoke": Budget(
        8, lambda s: partial(s.mighty.post, f"{s.user}/sessions:revoke"), sessions
    ),
    "GET /api/v1/visits": Budget(3, anybody(VISITS), pages),
    "POST /api/v1/visits": Budget(7, lambda s: partial(s.api.post, VISITS), pages),
    "POST /auth/login": Budget(16, lambda s: partial(s.api.post, "/auth/login", s.login)),
    "POST /auth/logout": Budget(6, lambda s: partial(s.own.post, "/auth/logout?scope=global"), sessions),
    "GET /auth/me": Budget(1, mighty("/auth/me")),
    "PATCH /auth/me": Budget(11, lambda s: partial(s.own.patch, "/auth/me", {"first_name": "New"})),
    "POST /auth/password/change": Budget(17, lambda s: partial(s.own.post, "/auth/password/change", CHANGE), sessions),
    "POST /auth/refresh": Budget(
        7, lambda s: partial(s.api.post, "/auth/refresh", {"refresh_token": s.person.refresh_token})
    ),
    "POST /auth/register": Budget(14, lambda s: partial(s.api.post, "/auth/register", s.new)),
    "GET /auth/sessions": Budget(3, lambda s: partial(s.own.get, "/auth/sessions?per_page=100"), sessions),
    "DELETE /auth/sessions": Budget(6, lambda s: partial(s.own.delete, "/auth/sessions"), sessions),
    "DELETE /auth/sessions/<uuid:session_id>": Budget(6, lambda s: partial(s.own.delete, s.session)),
    "GET /docs": Budget(0, anybody("/docs")),
    "GET /health": Budget(0, anybody("/health")),
    "GET /healthz": Budget(0, anybody("/healthz")),
    "GET /metrics": Budget(5, lambda s: partial(s.metrics.get, "/metrics")),
    "GET /openapi.json": Budget(0, anybody("/openapi.json")),
    "GET /openapi.yaml": Budget(0, anybody("/openapi.yaml")),
    "GET /readiness": Budget(3, anybody("/readiness")),
    "GET /setup": Budget(0, anybody("/setup?code=x")),
    "POST /setup": Budget(19, lambda s: partial(s.api.post, "/setup", data=s.setup, headers=FORM)),
    "GET /static/<path:filename>": Budget(0, anybody("/static/icon.svg")),
}


class TestQueryBudget:
    @pytest.mark.parametrize("route", BUDGETS)
    def test_is_kept_and_is_the_same_for_few_and_for_many(self, world: World, route: str) -> None:
        budget = BUDGETS[route]

        few, many = (budget.spend(world, number) for number in (FEW, MANY))

        assert len(many) == len(few), many
        assert len(many) <= budget.statements, many

    def test_is_set_for_every_route(self, world: World) -> None:
        routes = {
            f"{method} {rule.rule}"
            for rule in world.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }

        assert BUDGETS.keys() == routes
