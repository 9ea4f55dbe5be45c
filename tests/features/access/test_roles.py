"""GET/POST/PATCH/DELETE /api/v1/roles and GET /api/v1/permissions."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from app.core.permissions import EVERYTHING
from tests.api import Answer, Api, a_holder_of, a_role, a_user, an_admin

ROLES = "/api/v1/roles"
FIELDS = {"id", "name", "description", "permissions", "built_in"}


REFUSED: list[tuple[str, Any]] = [
    ("name", "Help desk"),
    ("name", "A-b"),
    ("name", None),
    ("description", "x" * 201),
    ("description", "two\nlines"),
    ("description", None),
    ("permissions", ["users:fly"]),
    ("permissions", ["users"]),
    ("permissions", ["*"]),
    ("permissions", ["USERS:READ"]),
    ("permissions", [None]),
    ("permissions", "users:read"),
    ("permissions", None),
    ("id", 7),
    ("built_in", True),
    ("version", 7),
    ("users", [1]),
]


def refused(answer: Answer) -> list[str]:
    """Return the fields that a 422 complains of."""
    assert answer.status_code == 422, answer.text
    return [name.partition(".")[0] for name in answer.details]


def path_of(admin: Api, name: str) -> str:
    """Return where a role is."""
    return next(f"{ROLES}/{role['id']}" for role in admin.get(f"{ROLES}?per_page=100").result if role["name"] == name)


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


class TestPermissions:
    def test_are_all_listed_with_what_they_allow(self, admin: Api) -> None:
        answer = admin.get("/api/v1/permissions")

        assert answer.status_code == 200
        assert {permission["name"] for permission in answer.result} == EVERYTHING
        assert all(permission.keys() == {"name", "description"} for permission in answer.result)
        assert all(permission["description"] for permission in answer.result)

    def test_need_the_one_to_read_roles(self, api: Api) -> None:
        allowed, refused = a_holder_of("roles:read"), a_holder_of(*EVERYTHING - {"roles:read"})

        statuses = [api.as_(person).get("/api/v1/permissions").status_code for person in (allowed, refused)]

        assert statuses == [200, 403]


class TestList:
    def test_begins_with_the_built_in_ones(self, admin: Api) -> None:
        answer = admin.get(ROLES)

        assert answer.status_code == 200
        assert [(role["name"], role["permissions"], role["built_in"]) for role in answer.result] == [
            ("admin", sorted(EVERYTHING), True),
            ("user", [], True),
        ]
        assert all(role.keys() == FIELDS for role in answer.result)

    def test_is_walked_by_page_and_by_cursor(self, admin: Api) -> None:
        names = ["admin", "user", *(a_role() for _ in range(3))]

        pages = [admin.get(f"{ROLES}?page={number}&per_page=2").json for number in (1, 2, 3)]
        first = admin.get(f"{ROLES}?cursor=&per_page=3").json
        second = admin.get(f"{ROLES}?cursor={first['pagination']['next_cursor']}&per_page=3").json

        assert [role["name"] for page in pages for role in page["data"]] == names
        assert [role["name"] for page in (first, second) for role in page["data"]] == names
        assert pages[0]["pagination"]["total_items"] == 5
        assert second["pagination"] == {"next_cursor": None, "has_next": False}


class TestCreate:
    def test_answers_with_the_role(self, admin: Api) -> None:
        body = {"name": "help-desk", "description": "First line.", "permissions": ["users:write", "users:read"]}

        answer = admin.post(ROLES, body)

        assert answer.status_code == 201
        assert answer.result.keys() == FIELDS
        assert answer.result["name"] == "help-desk"
        assert answer.result["description"] == "First line."
        assert answer.result["permissions"] == ["users:read", "users:write"]
        assert answer.result["built_in"] is False

    def test_says_where_the_role_is_and_which_version(self, admin: Api) -> None:
        made = admin.post(ROLES, {"name": "help-desk"})
        found = admin.get(made.headers["Location"])

        assert made.headers["Location"] == f"{ROLES}/{made.result['id']}"
        assert found.result == made.result == {**made.result, "description": "", "permissions": []}
        assert found.headers["ETag"] == made.headers["ETag"]

    def test_takes_each_permission_once(self, admin: Api) -> None:
        answer = admin.post(ROLES, {"name": "help-desk", "permissions": ["users:read", "users:read"]})

        assert answer.result["permissions"] == ["users:read"]

    def test_takes_names_like(self, admin: Api) -> None:
        statuses = [
            admin.post(ROLES, {"name": name}).status_code for name in ("ab", "a" * 64, "x9", "read_only", "a-b")
        ]

        assert statuses == [201] * 5

    def test_refuses_what_cannot_be_and_what_nobody_sets(self, admin: Api) -> None:
        cases = [*REFUSED, *(("name", name) for name in ("", "a", "9x", "a b", "a/b", "é-x", "ab\n", "a" * 65, 7))]

        answers = [admin.post(ROLES, {"name": "help-desk", field: value}) for field, value in cases]

        assert [refused(answer) for answer in answers] == [[field] for field, _ in cases]
        assert len(admin.get(ROLES).result) == 2

    def test_refuses_a_name_that_is_taken(self, admin: Api) -> None:
        a_role(name="help-desk")

        answers = [admin.post(ROLES, {"name": name}) for name in ("admin", "user", "help-desk")]

        assert [(answer.status_code, answer.code) for answer in answers] == [(409, "ROLE_NAME_TAKEN")] * 3

    def test_of_ten_at_once_makes_one(self, admin: Api) -> None:
        start = Barrier(10)

        def create(_: int) -> int:
            start.wait()
            return admin.post(ROLES, {"name": "help-desk"}).status_code

        with ThreadPoolExecutor(10) as pool:
            statuses = sorted(pool.map(create, range(10)))

        assert statuses == [201] + [409] * 9


class TestChange:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "second-line"),
            ("description", "Second line."),
            ("permissions", []),
            ("permissions", ["audit:read"]),
        ],
    )
    def test_sets_what_it_names_and_nothing_else(self, admin: Api, field: str, value: Any) -> None:
        path = path_of(admin, a_role("users:read"))
        before = admin.get(path)

        answer = admin.patch(path, {field: value})

        assert answer.status_code == 200
        assert answer.result == {**before.result, field: value}
        assert answer.headers["ETag"] != before.headers["ETag"]
        assert admin.get(path).result == answer.result

    def test_refuses_what_cannot_be_and_what_nobody_sets(self, admin: Api) -> None:
        path = path_of(admin, a_role("users:read"))
        before = admin.get(path).result

        answers = [admin.patch(path, {field: value}) for field, value in REFUSED]

        assert [refused(answer) for answer in answers] == [[field] for field, _ in REFUSED]
        assert admin.get(path).result == before

    def test_refuses_a_name_that_is_taken(self, admin: Api) -> None:
        path = path_of(admin, a_role())

        answer = admin.patch(path, {"name": "user", "description": "New"})

        assert answer.status_code == 409
        assert answer.code == "ROLE_NAME_TAKEN"
        assert admin.get(path).result["description"] == ""

    def test_of_one_version_in_parallel_happens_once(self, admin: Api) -> None:
        path, start = path_of(admin, a_role()), Barrier(8)
        read = admin.get(path).headers["ETag"]

        def change(number: int) -> int:
            start.wait()
            return admin.patch(path, {"description": f"number {number}"}, headers={"If-Match": read}).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(change, range(8)))

        assert statuses == [200] + [412] * 7


class TestDelete:
    def test_removes_the_role_and_frees_its_name(self, admin: Api) -> None:
        path = path_of(admin, a_role(name="help-desk"))

        answer = admin.delete(path)

        assert answer.status_code == 204
        assert admin.get(path).status_code == 404
        assert admin.post(ROLES, {"name": "help-desk"}).status_code == 201

    def test_is_refused_while_somebody_holds_it(self, admin: Api) -> None:
        role = a_role("users:read")
        holder, path = a_user(roles=(role,)), path_of(admin, role)

        held = admin.delete(path)
        admin.patch(f"/api/v1/users/{holder.id}", {"roles": []})
        free = admin.delete(path)

        assert (held.status_code, held.code) == (409, "ROLE_IN_USE")
        assert free.status_code == 204

    def test_is_refused_while_somebody_deleted_would_get_it_back(self, admin: Api) -> None:
        role = a_role("users:read")
        holder, path = a_user(roles=(role,)), path_of(admin, role)
        admin.delete(f"/api/v1/users/{holder.id}")

        assert admin.delete(path).code == "ROLE_IN_USE"

    def test_loses_or_wins_against_who_gives_the_role_meanwhile(self, admin: Api) -> None:
        role = a_role("users:read")
        target, path, start = a_user(), path_of(admin, role), Barrier(2)

        def delete() -> int:
            start.wait()
            return admin.delete(path).status_code

        def give() -> int:
            start.wait()
            return admin.patch(f"/api/v1/users/{target.id}", {"roles": [role]}).status_code

        with ThreadPoolExecutor(2) as pool:
            outcomes = tuple(future.result() for future in [pool.submit(delete), pool.submit(give)])

        assert outcomes in {(204, 409), (204, 422), (409, 200)}


class TestVersions:
    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_that_are_gone_are_not_changed(self, admin: Api, method: str) -> None:
        path = path_of(admin, a_role())
        read = admin.get(path).headers["ETag"]
        current = admin.patch(path, {"description": "New"})

        refused = admin.send(method, path, {"description": "Newer"}, headers={"If-Match": read})
        unchanged = admin.get(path).result
        done = admin.send(method, path, {"description": "Newer"}, headers={"If-Match": current.headers["ETag"]})

        assert (refused.status_code, refused.code) == (412, "PRECONDITION_FAILED")
        assert unchanged == current.result
        assert done.status_code in {200, 204}


class TestBuiltIn:
    @pytest.mark.parametrize("name", ["admin", "user"])
    def test_roles_stay_as_the_code_has_them(self, admin: Api, name: str) -> None:
        before, path = admin.get(ROLES).result, path_of(admin, name)

        answers = [
            admin.patch(path, {"description": "Mine."}),
            admin.patch(path, {"name": "mine"}),
            admin.patch(path, {"permissions": ["users:read"]}),
            admin.delete(path),
        ]

        assert [(answer.status_code, answer.code) for answer in answers] == [(409, "BUILT_IN_ROLE")] * 4
        assert admin.get(ROLES).result == before


class TestPermissionPages:
    def test_are_those_of_any_list(self, api: Api) -> None:
        admin = api.as_(an_admin())
        every = [found["name"] for found in admin.get("/api/v1/permissions").result]

        second = admin.get("/api/v1/permissions?page=2&per_page=4").json
        first = admin.get("/api/v1/permissions?cursor=&per_page=4").json
        rest = admin.get(f"/api/v1/permissions?cursor={first['pagination']['next_cursor']}&per_page=4").json

        assert [found["name"] for found in second["data"]] == every[4:]
        assert second["pagination"]["total_items"] == len(every)
        assert [found["name"] for found in first["data"] + rest["data"]] == every
        assert rest["pagination"] == {"next_cursor": None, "has_next": False}

    def test_refuse_the_cursor_of_another_list(self, api: Api) -> None:
        admin = api.as_(an_admin())
        a_user()
        foreign = admin.get("/api/v1/users?cursor=&per_page=1").json["pagination"]["next_cursor"]

        assert admin.get(f"/api/v1/permissions?cursor={foreign}").status_code == 422


class TestRefusedEscalation:
    def test_is_audited_although_it_was_refused(self, api: Api) -> None:
        writer = api.as_(a_user(roles=(a_role("roles:write"),)))

        refused = writer.post("/api/v1/roles", {"name": "mighty", "permissions": ["users:delete"]})

        assert refused.code == "PRIVILEGE_ESCALATION"
        events = api.as_(an_admin()).get("/api/v1/audit-events?event=authz_fail").result
        assert [event["detail"] for event in events] == [
            {"permissions": ["users:delete"], "code": "PRIVILEGE_ESCALATION"}
        ]

    def test_a_change_that_changes_nothing_is_not_audited(self, api: Api) -> None:
        admin = api.as_(an_admin())
        role = admin.post("/api/v1/roles", {"name": "idle"}).result

        admin.patch(f"/api/v1/roles/{role['id']}", {"name": "idle"})

        assert admin.get("/api/v1/audit-events?event=privilege_permissions_changed").result == []
