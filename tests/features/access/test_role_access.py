"""Who may do what to roles: permission before look-up, nobody beyond their own permissions, at once."""

from dataclasses import dataclass
from typing import Any

import pytest

from app.core.permissions import EVERYTHING
from tests.api import Answer, Api, a_holder_of, a_role, a_user, an_admin

ROLES = "/api/v1/roles"


def id_of(admin: Api, name: str) -> int:
    return next(int(role["id"]) for role in admin.get(f"{ROLES}?per_page=100").result if role["name"] == name)


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@dataclass(frozen=True)
class Route:
    """A route and the permission that it needs."""

    method: str
    path: str
    body: Any
    permission: str

    def call(self, api: Api, number: object) -> Answer:
        return api.send(self.method, ROLES + self.path.format(number), self.body)


ON_MANY = [
    pytest.param(Route("GET", "", None, "roles:read"), id="list"),
    pytest.param(Route("POST", "", {"name": "new-role"}, "roles:write"), id="create"),
]
ON_ONE = [
    pytest.param(Route("GET", "/{}", None, "roles:read"), id="read"),
    pytest.param(Route("PATCH", "/{}", {"description": "New"}, "roles:write"), id="change"),
    pytest.param(Route("DELETE", "/{}", None, "roles:write"), id="delete"),
]


@pytest.mark.parametrize("route", [*ON_MANY, *ON_ONE])
class TestPermission:
    def test_suffices(self, api: Api, admin: Api, route: Route) -> None:
        role = id_of(admin, a_role())

        assert route.call(api.as_(a_holder_of(route.permission)), role).status_code in {200, 201, 204}

    def test_is_needed_whatever_else_one_may_do(self, api: Api, admin: Api, route: Route) -> None:
        role, others = id_of(admin, a_role()), EVERYTHING - {route.permission}

        answer = route.call(api.as_(a_holder_of(*others)), role)

        assert (answer.status_code, answer.code) == (403, "FORBIDDEN")


@pytest.mark.parametrize("route", ON_ONE)
class TestLookUp:
    def test_comes_after_the_permission(self, api: Api, route: Route) -> None:
        nobody = api.as_(a_user())

        existing, missing, impossible = (route.call(nobody, number) for number in (1, 999999, "9" * 20))

        assert existing.status_code == missing.status_code == impossible.status_code == 403
        assert existing.json["error"] == missing.json["error"] == impossible.json["error"]

    def test_finds_nothing_where_nothing_is(self, admin: Api, route: Route) -> None:
        codes = [route.call(admin, number).status_code for number in (999999, "9" * 20)]

        assert codes == [404, 404]


class TestEscalation:
    """By somebody who may write roles and read users, and nothing else."""

    @pytest.fixture
    def writer(self, api: Api) -> Api:
        return api.as_(a_holder_of("roles:read", "roles:write", "users:read"))

    @pytest.mark.parametrize(
        "permissions",
        [["users:write"], ["users:read", "users:delete"], sorted(EVERYTHING)],
        ids=["another", "one more", "everything"],
    )
    def test_makes_no_role_that_can_do_more(self, writer: Api, permissions: list[str]) -> None:
        answer = writer.post(ROLES, {"name": "mighty", "permissions": permissions})

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert "mighty" not in [role["name"] for role in writer.get(ROLES).result]

    @pytest.mark.parametrize(
        ("had", "change"),
        [
            (["users:read"], {"permissions": ["users:read", "users:write"]}),
            (["users:read", "users:write"], {"permissions": ["users:read"]}),
            (["users:write"], {"permissions": []}),
            (["users:write"], {"permissions": ["users:write"]}),
            (["users:write"], {"name": "renamed"}),
            (["users:write"], {"description": "New"}),
        ],
        ids=["add", "take", "empty", "repeat", "rename", "describe"],
    )
    def test_changes_no_role_that_can_or_could_do_more(
        self, writer: Api, had: list[str], change: dict[str, Any]
    ) -> None:
        path = f"{ROLES}/{id_of(writer, a_role(*had))}"
        before = writer.get(path)

        answer = writer.patch(path, change)

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert writer.get(path).result == before.result
        assert writer.get(path).headers["ETag"] == before.headers["ETag"]

    def test_does_not_raise_itself(self, api: Api) -> None:
        own = api.as_(a_user(roles=(a_role("roles:read", "roles:write", name="own-role"),)))

        answer = own.patch(f"{ROLES}/{id_of(own, 'own-role')}", {"permissions": sorted(EVERYTHING)})

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert own.get("/auth/me").result["permissions"] == ["roles:read", "roles:write"]

    def test_deletes_no_role_that_can_do_more(self, writer: Api) -> None:
        path = f"{ROLES}/{id_of(writer, a_role('users:write'))}"

        answer = writer.delete(path)

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert writer.get(path).status_code == 200

    def test_is_not_what_stays_within_reach(self, writer: Api) -> None:
        made = writer.post(ROLES, {"name": "mine", "permissions": ["users:read"]})
        path = made.headers["Location"]

        statuses = [
            made.status_code,
            writer.patch(path, {"permissions": ["roles:read", "users:read"], "name": "still-mine"}).status_code,
            writer.delete(path).status_code,
        ]

        assert statuses == [201, 200, 204]


class TestAtOnce:
    """What a role can do, and who holds it, is asked at every request."""

    def test_acts_giving_and_taking_a_role(self, api: Api, admin: Api) -> None:
        role, person = a_role("users:read"), a_user()
        client = api.as_(person)

        before = client.get("/api/v1/users").status_code
        admin.patch(f"/api/v1/users/{person.id}", {"roles": [role]})
        given = client.get("/api/v1/users").status_code
        admin.patch(f"/api/v1/users/{person.id}", {"roles": ["user"]})
        taken = client.get("/api/v1/users").status_code

        assert (before, given, taken) == (403, 200, 403)

    def test_acts_changing_a_role(self, api: Api, admin: Api) -> None:
        role = a_role()
        client, path = api.as_(a_user(roles=(role,))), f"{ROLES}/{id_of(admin, role)}"

        before = client.get("/api/v1/users").status_code
        admin.patch(path, {"permissions": ["users:read"]})
        more = client.get("/api/v1/users").status_code
        admin.patch(path, {"permissions": []})
        less = client.get("/api/v1/users").status_code

        assert (before, more, less) == (403, 200, 403)

    def test_acts_renaming_a_role(self, api: Api, admin: Api) -> None:
        role = a_role("users:read")
        client = api.as_(a_user(roles=(role,)))

        admin.patch(f"{ROLES}/{id_of(admin, role)}", {"name": "renamed"})

        assert client.get("/auth/me").result["roles"] == ["renamed"]
        assert client.get("/auth/me").result["permissions"] == ["users:read"]

    def test_ends_an_administrator(self, api: Api, admin: Api) -> None:
        other = an_admin()
        theirs = api.as_(other)

        before = theirs.get("/api/v1/audit-events").status_code
        admin.patch(f"/api/v1/users/{other.id}", {"roles": ["user"]})

        assert before == 200
        assert theirs.get("/api/v1/audit-events").status_code == 403
        assert theirs.get("/auth/me").status_code == 200
