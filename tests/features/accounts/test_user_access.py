"""Who may do what to users: permission before look-up, and nobody beyond their own permissions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.caller import OPERATOR
from app.core.permissions import EVERYTHING
from app.features.accounts import service as accounts
from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_role, a_user, an_admin
from tests.world import World

USERS = "/api/v1/users"
BODY = {"username": "grace", "email": "grace@navy.test"}


def leave(person: Person) -> Person:
    return person


def delete(person: Person) -> None:
    with db.unit_of_work():
        accounts.delete(user_id=person.id, guard=lambda _: None, by=OPERATOR)


def stored(person: Person) -> accounts.Profile:
    with db.unit_of_work(writes=False):
        found = accounts.find_user(person.id)
    assert found
    return found


@dataclass(frozen=True)
class Route:
    """A route, the permission that it needs, and what becomes of its user before it is called."""

    method: str
    path: str
    body: Any
    permission: str
    arrange: Callable[[Person], object] = leave

    def call(self, api: Api, number: object) -> Answer:
        return api.send(self.method, USERS + self.path.format(number), self.body)


ON_MANY = [
    pytest.param(Route("GET", "", None, "users:read"), id="list"),
    pytest.param(Route("POST", "", BODY, "users:write"), id="create"),
]
READ = pytest.param(Route("GET", "/{}", None, "users:read"), id="read")
CHANGES = [
    pytest.param(Route("PUT", "/{}", BODY, "users:write"), id="replace"),
    pytest.param(Route("PATCH", "/{}", {"first_name": "New"}, "users:write"), id="change"),
    pytest.param(Route("DELETE", "/{}", None, "users:delete"), id="delete"),
    pytest.param(Route("POST", "/{}/restore", None, "users:delete", delete), id="restore"),
    pytest.param(Route("POST", "/{}/sessions:revoke", None, "users:write"), id="revoke"),
]


@pytest.mark.parametrize("route", [*ON_MANY, READ, *CHANGES])
class TestPermission:
    def test_suffices(self, api: Api, route: Route) -> None:
        target = a_user()
        route.arrange(target)

        answer = route.call(api.as_(a_holder_of(route.permission)), target.id)

        assert answer.status_code in {200, 201, 204}

    def test_is_needed_whatever_else_one_may_do(self, api: Api, route: Route) -> None:
        target, others = a_user(), EVERYTHING - {route.permission}
        route.arrange(target)

        answer = route.call(api.as_(a_holder_of(*others)), target.id)

        assert answer.status_code == 403
        assert answer.code == "FORBIDDEN"

    def test_comes_before_the_body(self, api: Api, route: Route) -> None:
        nobody = a_user()

        answer = api.as_(nobody).send(route.method, USERS + route.path.format(nobody.id), data=b"{nonsense")

        assert answer.status_code == 403


@pytest.mark.parametrize("route", [READ, *CHANGES])
class TestLookUp:
    def test_comes_after_the_permission(self, api: Api, route: Route) -> None:
        nobody, target = api.as_(a_user()), a_user()
        route.arrange(target)

        existing, missing, impossible = (route.call(nobody, number) for number in (target.id, 999999, "9" * 20))

        assert existing.status_code == missing.status_code == impossible.status_code == 403
        assert existing.json["error"] == missing.json["error"] == impossible.json["error"]

    def test_finds_nobody_where_nobody_is(self, api: Api, route: Route) -> None:
        holder = api.as_(a_holder_of(route.permission))

        codes = [route.call(holder, number).status_code for number in (999999, "9" * 20)]

        assert codes == [404, 404]


@pytest.fixture
def manager(api: Api) -> Api:
    """Somebody who may do everything to users, and nothing else."""
    return api.as_(a_holder_of("users:read", "users:write", "users:delete"))


@pytest.fixture(
    params=[EVERYTHING, {"audit:read"}, {"users:read", "roles:write"}],
    ids=["who may do everything", "who may do one other thing", "who may do one more thing"],
)
def mightier(request: pytest.FixtureRequest, world: World) -> Person:
    """Somebody who may do what the manager may not."""
    return a_holder_of(*request.param)


class TestMightier:
    @pytest.mark.parametrize("route", CHANGES)
    def test_users_are_not_touched(self, manager: Api, mightier: Person, route: Route) -> None:
        route.arrange(mightier)
        before = stored(mightier)

        answer = route.call(manager, mightier.id)

        assert answer.status_code == 403
        assert answer.code == "PRIVILEGE_ESCALATION"
        assert stored(mightier) == before

    def test_users_keep_their_sessions(self, api: Api, manager: Api, mightier: Person) -> None:
        theirs = api.as_(mightier)

        manager.post(f"{USERS}/{mightier.id}/sessions:revoke")

        assert theirs.get("/auth/me").status_code == 200

    def test_users_are_not_made(self, manager: Api, mightier: Person) -> None:
        answer = manager.post(USERS, {**BODY, "roles": stored(mightier).roles})

        assert answer.status_code == 403
        assert answer.code == "PRIVILEGE_ESCALATION"
        assert manager.get(f"{USERS}?q=grace").result == []

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_roles_are_not_given(self, manager: Api, mightier: Person, method: str) -> None:
        target = a_user(username="grace", email="grace@navy.test")
        before = stored(target)
        body = {**BODY, "first_name": "New", "roles": ["user", *stored(mightier).roles]}

        answer = manager.send(method, f"{USERS}/{target.id}", body)

        assert answer.status_code == 403
        assert answer.code == "PRIVILEGE_ESCALATION"
        assert stored(target) == before

    def test_roles_are_not_given_to_oneself(self, api: Api, mightier: Person) -> None:
        person = a_holder_of("users:write")
        own = api.as_(person)

        answer = own.patch(f"{USERS}/{person.id}", {"roles": stored(mightier).roles})

        assert answer.status_code == 403
        assert own.get("/auth/me").result["permissions"] == ["users:write"]


class TestAdministrator:
    def test_is_out_of_reach_as_well(self, manager: Api) -> None:
        admin, target = an_admin(), a_user()

        answers = [
            manager.patch(f"{USERS}/{admin.id}", {"first_name": "New"}),
            manager.patch(f"{USERS}/{target.id}", {"roles": ["admin"]}),
            manager.post(USERS, {**BODY, "roles": ["admin"]}),
            manager.delete(f"{USERS}/{admin.id}"),
        ]

        assert [answer.code for answer in answers] == ["PRIVILEGE_ESCALATION"] * 4


class TestEquals:
    def test_are_touched_and_so_is_oneself(self, api: Api) -> None:
        role = a_role("users:read", "users:write", "users:delete")
        one, other = a_user(roles=(role,)), a_user(roles=(role,))
        client = api.as_(one)

        statuses = [
            client.patch(f"{USERS}/{other.id}", {"first_name": "New"}).status_code,
            client.post(f"{USERS}/{other.id}/sessions:revoke").status_code,
            client.delete(f"{USERS}/{other.id}").status_code,
            client.post(f"{USERS}/{other.id}/restore").status_code,
            client.patch(f"{USERS}/{one.id}", {"last_name": "New"}).status_code,
        ]

        assert statuses == [200, 204, 204, 200, 200]

    def test_get_and_lose_every_role_within_reach(self, api: Api, manager: Api) -> None:
        subset, target = a_role("users:read", "users:delete"), a_user()

        given = manager.patch(f"{USERS}/{target.id}", {"roles": [subset]})
        taken = manager.patch(f"{USERS}/{target.id}", {"roles": []})
        made = manager.post(USERS, {**BODY, "roles": [subset, "user"]})

        assert (given.status_code, taken.status_code, made.status_code) == (200, 200, 201)
        assert (given.result["roles"], taken.result["roles"]) == ([subset], [])

    def test_are_measured_by_all_their_roles_together(self, api: Api) -> None:
        both = a_user(roles=(a_role("users:read"), a_role("users:write")))
        target = a_user(roles=(a_role("users:read", "users:write"),))

        answer = api.as_(both).patch(f"{USERS}/{target.id}", {"first_name": "New"})

        assert answer.status_code == 200
