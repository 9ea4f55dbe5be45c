"""Somebody who can administer the service always stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from app.core.permissions import EVERYTHING
from app.features.accounts import service as accounts
from app.infra import db
from tests.api import Answer, Api, Person, a_holder_of, a_user, an_admin
from tests.features.between import coming_between
from tests.world import SERVICES, World

USERS = "/api/v1/users"

REMOVALS = [
    pytest.param("PATCH", {"roles": ["user"]}, id="demote"),
    pytest.param("PATCH", {"roles": []}, id="take every role"),
    pytest.param("PATCH", {"is_active": False}, id="disable"),
    pytest.param("PUT", {"username": "last.one", "email": "last@people.test"}, id="replace without roles"),
    pytest.param("PUT", {"username": "a.b", "email": "a@b.test", "roles": ["admin"], "is_active": False}, id="replace"),
    pytest.param("DELETE", None, id="delete"),
]


def administrators(api: Api) -> list[int]:
    """Ask, as somebody who may, who can administer the service."""
    return [user["id"] for user in api.get(f"{USERS}?role=admin&active=true").result]


@pytest.fixture
def observer(api: Api) -> Api:
    """Somebody who may do everything without being an administrator, and so counts for nothing."""
    return api.as_(a_holder_of(*EVERYTHING))


@pytest.mark.parametrize(("method", "body"), REMOVALS)
class TestTheLast:
    def test_stays_whoever_tries(self, observer: Api, method: str, body: Any) -> None:
        last = an_admin()

        answer = observer.send(method, f"{USERS}/{last.id}", body)

        assert answer.status_code == 409
        assert answer.code == "LAST_ADMINISTRATOR"
        assert administrators(observer) == [last.id]

    def test_stays_though_they_try_themselves(self, api: Api, method: str, body: Any) -> None:
        last = an_admin()
        own = api.as_(last)

        answer = own.send(method, f"{USERS}/{last.id}", body)

        assert answer.status_code == 409
        assert own.get("/auth/me").result["roles"] == ["admin", "user"]

    def test_is_not_replaced_by_one_who_cannot_come_in(self, observer: Api, method: str, body: Any) -> None:
        an_admin(is_active=False)
        deleted, last = an_admin(), an_admin()
        observer.delete(f"{USERS}/{deleted.id}")

        answer = observer.send(method, f"{USERS}/{last.id}", body)

        assert answer.status_code == 409
        assert answer.code == "LAST_ADMINISTRATOR"

    def test_but_one_may_go(self, observer: Api, method: str, body: Any) -> None:
        last, other = an_admin(), an_admin()

        answer = observer.send(method, f"{USERS}/{other.id}", body)

        assert answer.status_code in {200, 204}
        assert administrators(observer) == [last.id]


class TestOtherChanges:
    def test_of_the_last_administrator_are_free(self, api: Api) -> None:
        last = an_admin()

        answer = api.as_(last).patch(f"{USERS}/{last.id}", {"first_name": "Ada", "roles": ["admin"], "is_active": True})

        assert answer.status_code == 200
        assert answer.result["roles"] == ["admin"]

    def test_of_who_cannot_come_in_are_free(self, observer: Api) -> None:
        an_admin()
        idle = an_admin(is_active=False)

        demoted = observer.patch(f"{USERS}/{idle.id}", {"roles": []})

        assert demoted.status_code == 200


def demote(api: Api, person: Person) -> Answer:
    return api.patch(f"{USERS}/{person.id}", {"roles": ["user"]})


def disable(api: Api, person: Person) -> Answer:
    return api.patch(f"{USERS}/{person.id}", {"is_active": False})


def delete(api: Api, person: Person) -> Answer:
    return api.delete(f"{USERS}/{person.id}")


Removal = Callable[[Api, Person], Answer]


class TestParallel:
    @pytest.mark.parametrize(
        ("one", "other"),
        [(demote, demote), (disable, disable), (delete, delete), (demote, delete), (delete, disable)],
    )
    def test_administrators_who_remove_each_other_leave_one(self, api: Api, one: Removal, other: Removal) -> None:
        first, second = an_admin(), an_admin()
        clients, start = (api.as_(first), api.as_(second)), Barrier(2)

        def remove(client: Api, removal: Removal, target: Person) -> int:
            start.wait()
            return removal(client, target).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(remove, clients, (one, other), (second, first)))

        succeeded = [status for status in statuses if status < 300]
        assert len(succeeded) == 1
        assert {*statuses} - {*succeeded} <= {401, 403, 409}
        assert len(administrators(api.as_(a_holder_of("users:read")))) == 1

    def test_all_administrators_who_leave_at_once_leave_one(self, api: Api) -> None:
        people = [an_admin() for _ in range(6)]
        clients, start = [api.as_(person) for person in people], Barrier(6)

        def leave(client: Api, person: Person) -> int:
            start.wait()
            return client.patch(f"{USERS}/{person.id}", {"roles": ["user"]}).status_code

        with ThreadPoolExecutor(6) as pool:
            statuses = sorted(pool.map(leave, clients, people))

        assert statuses == [200] * 5 + [409]
        assert len(administrators(api.as_(a_holder_of("users:read")))) == 1

    @pytest.mark.skipif(not SERVICES, reason="SQLite has one writer at a time, so nobody can come in between")
    def test_who_becomes_the_last_one_while_being_deleted_stays(self, api: Api, observer: Api) -> None:
        first, second = an_admin(), a_user()
        admin = api.as_(first)

        def hand_over() -> None:
            admin.patch(f"{USERS}/{second.id}", {"roles": ["admin"]})
            admin.patch(f"{USERS}/{first.id}", {"roles": ["user"]})

        with coming_between("before_cursor_execute", ("FROM users", "FOR NO KEY UPDATE"), hand_over) as handed_over:
            answer = observer.delete(f"{USERS}/{second.id}")

        assert handed_over.is_set()
        assert (answer.status_code, answer.code) == (409, "LAST_ADMINISTRATOR")
        assert administrators(observer) == [second.id]


class TestHasAdministrator:
    def test_counts_only_those_who_may_come_in(self, world: World) -> None:
        a_user()
        an_admin(is_active=False)
        with db.unit_of_work(writes=False):
            before = accounts.has_administrator()
        an_admin()
        with db.unit_of_work(writes=False):
            after = accounts.has_administrator()

        assert (before, after) == (False, True)
