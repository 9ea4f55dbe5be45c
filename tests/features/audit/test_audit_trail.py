"""What is recorded, when, and what never is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_role, a_user, an_admin
from tests.world import PASSWORD, World

USERS, ROLES, EVENTS = "/api/v1/users", "/api/v1/roles", "/api/v1/audit-events"
REQUEST = {"X-Request-ID": "the-request-of-this-test"}


def recorded(api: Api) -> list[dict[str, Any]]:
    """Return what the request of this test left in the trail, in the order in which it happened."""
    events = api.get(f"{EVENTS}?per_page=100").result
    return [event for event in reversed(events) if event["request_id"] == REQUEST["X-Request-ID"]]


def summary(api: Api) -> list[tuple[str, str, str, dict[str, Any]]]:
    return [(e["event"], e["target"]["type"], e["target"]["id"], e["detail"]) for e in recorded(api)]


def role_path(admin: Api, name: str) -> str:
    return next(f"{ROLES}/{role['id']}" for role in admin.get(f"{ROLES}?per_page=100").result if role["name"] == name)


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@pytest.fixture
def grace(world: World) -> Person:
    return a_user(username="grace", email="grace@navy.test")


class TestUsers:
    def test_are_recorded_when_made(self, admin: Api) -> None:
        made = admin.post(USERS, {"username": "ada", "email": "ada@royal.test", "roles": ["user"]}, headers=REQUEST)

        number = str(made.result["id"])
        assert summary(admin) == [
            ("user_created", "user", number, {}),
            ("authz_change", "user", number, {"old": [], "new": ["user"]}),
        ]

    def test_are_recorded_with_the_names_of_what_was_changed(self, admin: Api, grace: Person) -> None:
        body = {"email": "hopper@navy.test", "last_name": "Hopper", "username": "grace"}

        admin.patch(f"{USERS}/{grace.id}", body, headers=REQUEST)

        assert summary(admin) == [("user_updated", "user", str(grace.id), {"fields": ["email", "last_name"]})]

    def test_are_recorded_with_old_and_new_roles(self, admin: Api, grace: Person) -> None:
        role = a_role("users:read")

        admin.patch(f"{USERS}/{grace.id}", {"roles": [role, "admin"]}, headers=REQUEST)

        expected = {"old": ["user"], "new": sorted([role, "admin"])}
        assert summary(admin) == [("authz_change", "user", str(grace.id), expected)]

    def test_are_recorded_when_replaced(self, admin: Api, grace: Person) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "first_name": "Grace", "roles": []}

        admin.put(f"{USERS}/{grace.id}", body, headers=REQUEST)

        assert {event for event, *_ in summary(admin)} == {"user_updated", "authz_change"}

    @pytest.mark.parametrize(
        ("act", "event"),
        [
            (lambda api, path: api.patch(path, {"is_active": False}, headers=REQUEST), "user_updated"),
            (lambda api, path: api.delete(path, headers=REQUEST), "user_deleted"),
        ],
        ids=["disabled", "deleted"],
    )
    def test_are_recorded_with_the_sessions_that_end(
        self, api: Api, admin: Api, grace: Person, act: Callable[[Api, str], Answer], event: str
    ) -> None:
        api.sign_in(grace)

        act(admin, f"{USERS}/{grace.id}")

        events = {name: detail for name, _, _, detail in summary(admin)}
        assert events.keys() == {event, "authn_token_revoked"}
        assert events["authn_token_revoked"]["sessions"] == 1

    def test_are_recorded_when_restored(self, admin: Api, grace: Person) -> None:
        admin.delete(f"{USERS}/{grace.id}")

        admin.post(f"{USERS}/{grace.id}/restore", headers=REQUEST)

        assert summary(admin) == [("user_restored", "user", str(grace.id), {})]

    def test_are_recorded_when_their_sessions_are_ended(self, api: Api, admin: Api, grace: Person) -> None:
        api.sign_in(grace)
        api.sign_in(grace)

        admin.post(f"{USERS}/{grace.id}/sessions:revoke", headers=REQUEST)

        expected = {"sessions": 2, "reason": "revoked_by_admin"}
        assert summary(admin) == [("authn_token_revoked", "user", str(grace.id), expected)]


class TestRoles:
    def test_are_recorded_when_made(self, admin: Api) -> None:
        made = admin.post(ROLES, {"name": "help-desk", "permissions": ["users:read"]}, headers=REQUEST)

        expected = {"name": "help-desk", "permissions": ["users:read"]}
        assert summary(admin) == [("role_created", "role", str(made.result["id"]), expected)]

    def test_are_recorded_with_old_and_new_permissions(self, admin: Api) -> None:
        path = role_path(admin, a_role("users:read"))

        admin.patch(path, {"permissions": ["users:write"]}, headers=REQUEST)

        expected = {"fields": ["permissions"], "old": ["users:read"], "new": ["users:write"]}
        assert summary(admin) == [("privilege_permissions_changed", "role", path.rpartition("/")[2], expected)]

    def test_are_recorded_when_deleted(self, admin: Api) -> None:
        path = role_path(admin, a_role("users:read", name="help-desk"))

        admin.delete(path, headers=REQUEST)

        expected = {"name": "help-desk", "permissions": ["users:read"]}
        assert summary(admin) == [("role_deleted", "role", path.rpartition("/")[2], expected)]


class TestRow:
    def test_says_who_acted_and_from_where(self, api: Api) -> None:
        person = an_admin()
        admin = api.as_(person).at("203.0.113.7")
        headers = {**REQUEST, "User-Agent": "Browser/1.0", "X-Forwarded-For": "198.51.100.1"}

        admin.post(ROLES, {"name": "help-desk"}, headers=headers)

        event = recorded(admin)[0]
        assert event.keys() == {
            *("id", "at", "event", "outcome", "actor", "target"),
            *("ip", "user_agent", "request_id", "detail"),
        }
        assert event["actor"] == {"type": "user", "id": str(person.id)}
        assert event["outcome"] == "success"
        assert (event["ip"], event["user_agent"]) == ("203.0.113.7", "Browser/1.0")

    def test_keeps_no_more_than_256_characters_of_a_user_agent(self, admin: Api) -> None:
        admin.post(ROLES, {"name": "help-desk"}, headers={**REQUEST, "User-Agent": "x" * 5000})

        assert recorded(admin)[0]["user_agent"] == "x" * 256

    def test_names_the_operator_of_a_command(self, admin: Api) -> None:
        a_role(name="help-desk")

        event = admin.get(f"{EVENTS}?event=role_created").result[0]

        assert event["actor"] == {"type": "operator", "id": None}
        assert (event["ip"], event["user_agent"]) == (None, None)


class TestNothing:
    @pytest.mark.parametrize(
        ("act", "status"),
        [
            (lambda api, user: api.post(USERS, {"username": "grace", "email": "x@y.test"}, headers=REQUEST), 409),
            (lambda api, user: api.post(USERS, {"username": "x"}, headers=REQUEST), 422),
            (lambda api, user: api.patch(f"{USERS}/{user}", {"roles": ["x", "user"]}, headers=REQUEST), 422),
            (lambda api, user: api.patch(f"{USERS}/{user}", {}, headers={**REQUEST, "If-Match": '"9"'}), 412),
            (lambda api, user: api.delete(f"{USERS}/999999", headers=REQUEST), 404),
            (lambda api, user: api.post(f"{USERS}/{user}/restore", headers=REQUEST), 404),
            (lambda api, user: api.post(ROLES, {"name": "user"}, headers=REQUEST), 409),
            (lambda api, user: api.delete(f"{ROLES}/1", headers=REQUEST), 409),
            (lambda api, user: api.patch(f"{USERS}/{user}", {}, headers=REQUEST), 200),
            (lambda api, user: api.patch(f"{USERS}/{user}", {"roles": ["user"]}, headers=REQUEST), 200),
            (lambda api, user: api.post(f"{USERS}/{user}/sessions:revoke", headers=REQUEST), 204),
            (lambda api, user: api.get(f"{USERS}/{user}", headers=REQUEST), 200),
        ],
    )
    def test_is_recorded_where_nothing_changed(
        self, admin: Api, grace: Person, act: Callable[[Api, int], Answer], status: int
    ) -> None:
        answer = act(admin, grace.id)

        assert answer.status_code == status
        assert recorded(admin) == []

    def test_of_the_last_administrators_removal_is_recorded(self, api: Api) -> None:
        last = an_admin()
        admin = api.as_(last)

        refused = admin.delete(f"{USERS}/{last.id}", headers=REQUEST)

        assert refused.status_code == 409
        assert recorded(admin) == []

    def test_changes_if_it_cannot_be_recorded(self, admin: Api, grace: Person) -> None:
        before = admin.get(f"{USERS}/{grace.id}").result
        with db.unit_of_work():
            db.session().execute(text("DELETE FROM audit_head"))

        failed = admin.patch(f"{USERS}/{grace.id}", {"first_name": "New"}, headers=REQUEST)

        assert failed.status_code == 500
        assert admin.get(f"{USERS}/{grace.id}").result == before


class TestRefusal:
    def test_is_recorded_although_nothing_was_done(self, api: Api, admin: Api, grace: Person) -> None:
        refused = api.as_(grace).delete(f"{USERS}/1", headers=REQUEST)

        event = recorded(admin)[0]
        assert refused.status_code == 403
        assert (event["event"], event["outcome"]) == ("authz_fail", "failure")
        assert event["actor"] == {"type": "user", "id": str(grace.id)}
        assert event["detail"] == {"permissions": ["users:delete"], "code": "FORBIDDEN"}

    def test_is_recorded_of_reading_too(self, api: Api, admin: Api) -> None:
        api.as_(a_holder_of("users:write")).get(USERS, headers=REQUEST)

        assert [event["event"] for event in recorded(admin)] == ["authz_fail"]


class TestPersonalData:
    def test_and_secrets_are_nowhere_in_the_trail(self, api: Api, admin: Api) -> None:
        made = admin.post(
            USERS, {"username": "zorglub", "email": "zorg@lub.test", "password": PASSWORD, "first_name": "Zorgine"}
        ).result
        person = Person(made["id"], "zorglub", "zorg@lub.test")
        own = api.as_(person)
        own.patch("/auth/me", {"last_name": "Zorgette"})
        own.post("/auth/password/change", {"current_password": PASSWORD, "new_password": "Zorgomat-Wagen-9-Blau"})
        api.post("/auth/login", {"username": "zorglub", "password": "Zorgfalsch-1"})
        api.post("/auth/refresh", {"refresh_token": person.refresh_token})
        admin.patch(f"{USERS}/{made['id']}", {"username": "zorgneu", "email": "zorg@neu.test", "roles": ["admin"]})
        admin.delete(f"{USERS}/{made['id']}")
        admin.post(f"{USERS}/{made['id']}/restore")

        with db.unit_of_work(writes=False):
            rows = [str(tuple(row)) for row in db.session().execute(text("SELECT * FROM audit_events"))]
        trail = "\n".join(rows).casefold()
        assert len(rows) > 8
        assert "zorg" not in trail
        assert PASSWORD.casefold() not in trail
        assert "argon2" not in trail
        assert "eyj" not in trail
