"""How many statements each route may send to the database; it is as many whatever there is to show."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from app.core.caller import OPERATOR
from app.core.permissions import EVERYTHING
from app.features.access import service as access
from app.features.auth import service as auth
from app.features.auth import sessions as auth_sessions
from app.features.visits import service as visits
from app.infra import db
from tests.api import Answer, Api, a_holder_of, a_role, a_user, some_users
from tests.world import PASSWORD, World, counted_statements

USERS, ROLES, VISITS, EVENTS = "/api/v1/users", "/api/v1/roles", "/api/v1/visits", "/api/v1/audit-events"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FEW, MANY = 3, 50


class Scene:
    """Who calls a route, and on what."""

    def __init__(self, world: World) -> None:
        self.api = Api(world.app)
        self.mighty = self.api.as_(a_holder_of(*EVERYTHING))
        self.person = a_user(roles=("user", a_role()))
        self.own = self.api.as_(self.person)
        self.session = f"/auth/sessions/{self.own.get('/auth/sessions').result[0]['id']}"
        self.user = f"{USERS}/{self.person.id}"
        self.gone = f"{USERS}/{a_user().id}"
        self.mighty.delete(self.gone)
        self.role = self.mighty.post(ROLES, {"name": f"role-of-{self.person.id}"}).headers["Location"]
        self.new = {"username": f"new.{self.person.id}", "email": f"new.{self.person.id}@people.test"}
        self.login = {"username": a_user().username, "password": PASSWORD}
        with db.unit_of_work():
            self.code = auth.make_setup_code()

    def set_up(self) -> Answer:
        form = urlencode({**self.new, "password": PASSWORD, "code": self.code})
        return self.api.post("/setup", data=form.encode(), headers=FORM)

    def change_password(self) -> Answer:
        body = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Battery"}
        return self.own.post("/auth/password/change", body)


def users(_: Scene, number: int) -> None:
    some_users(number)


def roles(_: Scene, number: int) -> None:
    with db.unit_of_work():
        for place in range(number):
            access.create_role(name=f"crowd-{place}", description="", permissions=["users:read"], by=OPERATOR)


def sessions(scene: Scene, number: int) -> None:
    with db.unit_of_work():
        for _ in range(number):
            auth_sessions.start(user_id=scene.person.id, methods=["pwd"])


def pages(scene: Scene, number: int) -> None:
    scene.api.get("/")
    for place in range(number):
        visits.count(f"/{place}")


@dataclass(frozen=True)
class Budget:
    """At most so many statements for a call, however large the crowd."""

    statements: int
    call: Callable[[Scene], Answer]
    crowd: Callable[[Scene, int], None] = users

    def spend(self, world: World, number: int) -> list[str]:
        """Return what a call sends to the database when there is so much of everything."""
        world.reset()
        scene = Scene(world)
        self.crowd(scene, number)
        with counted_statements() as seen:
            answer = self.call(scene)
        assert answer.status_code < 400, answer.text
        return seen


def mighty(path: str) -> Callable[[Scene], Answer]:
    return lambda scene: scene.mighty.get(path)


BUDGETS = {
    "GET /": Budget(7, mighty("/"), pages),
    "GET /.well-known/jwks.json": Budget(0, mighty("/.well-known/jwks.json")),
    "GET /api/v1/audit-events": Budget(3, mighty(f"{EVENTS}?per_page=100"), roles),
    "GET /api/v1/permissions": Budget(1, mighty("/api/v1/permissions")),
    "GET /api/v1/roles": Budget(3, mighty(f"{ROLES}?per_page=100"), roles),
    "POST /api/v1/roles": Budget(8, lambda s: s.mighty.post(ROLES, {"name": s.new["username"].replace(".", "-")})),
    "GET /api/v1/roles/<id:role_id>": Budget(2, lambda s: s.mighty.get(s.role), roles),
    "PATCH /api/v1/roles/<id:role_id>": Budget(7, lambda s: s.mighty.patch(s.role, {"permissions": ["users:read"]})),
    "DELETE /api/v1/roles/<id:role_id>": Budget(8, lambda s: s.mighty.delete(s.role)),
    "GET /api/v1/users": Budget(3, mighty(f"{USERS}?per_page=100")),
    "POST /api/v1/users": Budget(15, lambda s: s.mighty.post(USERS, {**s.new, "password": PASSWORD})),
    "GET /api/v1/users/<id:user_id>": Budget(2, lambda s: s.mighty.get(s.user)),
    "PUT /api/v1/users/<id:user_id>": Budget(19, lambda s: s.mighty.put(s.user, s.new)),
    "PATCH /api/v1/users/<id:user_id>": Budget(23, lambda s: s.mighty.patch(s.user, {"is_active": False, "roles": []})),
    "DELETE /api/v1/users/<id:user_id>": Budget(13, lambda s: s.mighty.delete(s.user), sessions),
    "POST /api/v1/users/<id:user_id>/restore": Budget(11, lambda s: s.mighty.post(f"{s.gone}/restore")),
    "POST /api/v1/users/<id:user_id>/sessions:revoke": Budget(
        8, lambda s: s.mighty.post(f"{s.user}/sessions:revoke"), sessions
    ),
    "GET /api/v1/visits": Budget(3, mighty(VISITS), pages),
    "POST /api/v1/visits": Budget(7, lambda s: s.api.post(VISITS), pages),
    "POST /auth/login": Budget(16, lambda s: s.api.post("/auth/login", s.login)),
    "POST /auth/logout": Budget(6, lambda s: s.own.post("/auth/logout?scope=global"), sessions),
    "GET /auth/me": Budget(1, mighty("/auth/me")),
    "PATCH /auth/me": Budget(11, lambda s: s.own.patch("/auth/me", {"first_name": "New"})),
    "POST /auth/password/change": Budget(17, Scene.change_password, sessions),
    "POST /auth/refresh": Budget(7, lambda s: s.api.post("/auth/refresh", {"refresh_token": s.person.refresh_token})),
    "POST /auth/register": Budget(14, lambda s: s.api.post("/auth/register", {**s.new, "password": PASSWORD})),
    "GET /auth/sessions": Budget(3, lambda s: s.own.get("/auth/sessions?per_page=100"), sessions),
    "DELETE /auth/sessions": Budget(6, lambda s: s.own.delete("/auth/sessions"), sessions),
    "DELETE /auth/sessions/<uuid:session_id>": Budget(6, lambda s: s.own.delete(s.session)),
    "GET /docs": Budget(0, mighty("/docs")),
    "GET /health": Budget(0, mighty("/health")),
    "GET /healthz": Budget(0, mighty("/healthz")),
    "GET /openapi.json": Budget(0, mighty("/openapi.json")),
    "GET /openapi.yaml": Budget(0, mighty("/openapi.yaml")),
    "GET /readiness": Budget(3, mighty("/readiness")),
    "GET /setup": Budget(0, mighty("/setup?code=x")),
    "POST /setup": Budget(19, Scene.set_up),
    "GET /static/<path:filename>": Budget(0, mighty("/static/icon.svg")),
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
