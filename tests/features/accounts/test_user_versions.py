"""ETag and If-Match on users: of two who change the same one, the second learns of it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.api import Api, Person, a_role, a_user, an_admin
from tests.conftest import Clock
from tests.world import World

USERS = "/api/v1/users"
CHANGES = [("PATCH", {"first_name": "New"}), ("PUT", {"username": "new", "email": "new@navy.test"}), ("DELETE", None)]


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@pytest.fixture
def grace(world: World) -> Person:
    return a_user(username="grace")


class TestETag:
    @pytest.mark.parametrize(
        "change",
        [
            {"first_name": "Amazing"},
            {"email": "hopper@navy.test"},
            {"is_active": False},
            {"roles": []},
            {"roles": ["user", "admin"], "last_name": "Hopper"},
        ],
        ids="-".join,
    )
    def test_is_new_after_each_change_even_within_a_millisecond(
        self, clock: Clock, admin: Api, grace: Person, change: dict[str, Any]
    ) -> None:
        before = admin.get(f"{USERS}/{grace.id}").headers["ETag"]

        changed = admin.patch(f"{USERS}/{grace.id}", change)

        assert changed.headers["ETag"] != before
        assert admin.get(f"{USERS}/{grace.id}").headers["ETag"] == changed.headers["ETag"]

    def test_is_new_after_deleting_and_after_restoring(self, admin: Api, grace: Person) -> None:
        living = admin.get(f"{USERS}/{grace.id}").headers["ETag"]

        admin.delete(f"{USERS}/{grace.id}")
        deleted = admin.get(f"{USERS}/{grace.id}").headers["ETag"]
        restored = admin.post(f"{USERS}/{grace.id}/restore").headers["ETag"]

        assert len({living, deleted, restored}) == 3


class TestIfMatch:
    @pytest.mark.parametrize(("method", "body"), CHANGES, ids=["PATCH", "PUT", "DELETE"])
    def test_refuses_a_version_that_is_gone(self, admin: Api, grace: Person, method: str, body: Any) -> None:
        read = admin.get(f"{USERS}/{grace.id}").headers["ETag"]
        current = admin.patch(f"{USERS}/{grace.id}", {"last_name": "Hopper"}).result

        answer = admin.send(method, f"{USERS}/{grace.id}", body, headers={"If-Match": read})

        assert answer.status_code == 412
        assert answer.code == "PRECONDITION_FAILED"
        assert admin.get(f"{USERS}/{grace.id}").result == current

    @pytest.mark.parametrize(("method", "body"), CHANGES, ids=["PATCH", "PUT", "DELETE"])
    def test_lets_the_present_version_be_changed(self, admin: Api, grace: Person, method: str, body: Any) -> None:
        current = admin.get(f"{USERS}/{grace.id}").headers["ETag"]

        answer = admin.send(method, f"{USERS}/{grace.id}", body, headers={"If-Match": current})

        assert answer.status_code in {200, 204}

    @pytest.mark.parametrize("form", ["*", '"none", {}', "{}"], ids=["any", "one of several", "the one"])
    def test_understands_every_form_that_matches(self, admin: Api, grace: Person, form: str) -> None:
        current = admin.get(f"{USERS}/{grace.id}").headers["ETag"]

        answer = admin.patch(f"{USERS}/{grace.id}", {"last_name": "X"}, headers={"If-Match": form.format(current)})

        assert answer.status_code == 200

    @pytest.mark.parametrize("form", ["W/{}", '"none"', "", '""'], ids=["weak", "another", "empty", "empty tag"])
    def test_refuses_every_form_that_does_not(self, admin: Api, grace: Person, form: str) -> None:
        current = admin.get(f"{USERS}/{grace.id}").headers["ETag"]

        answer = admin.patch(f"{USERS}/{grace.id}", {"last_name": "X"}, headers={"If-Match": form.format(current)})

        assert answer.status_code == 412

    @pytest.mark.parametrize(("method", "body"), CHANGES, ids=["PATCH", "PUT", "DELETE"])
    def test_may_be_made_a_duty(self, world: World, admin: Api, grace: Person, method: str, body: Any) -> None:
        strict = Api(world.with_settings(require_if_match=True), admin.token)

        refused = strict.send(method, f"{USERS}/{grace.id}", body)
        done = strict.send(method, f"{USERS}/{grace.id}", body, headers={"If-Match": '"1"'})

        assert refused.status_code == 428
        assert refused.code == "PRECONDITION_REQUIRED"
        assert done.status_code in {200, 204}


class TestParallelUpdates:
    @pytest.mark.parametrize("body", [{"first_name": "{}"}, {"roles": ["user", "{}"]}], ids=["fields", "roles"])
    def test_of_one_version_are_one(self, admin: Api, grace: Person, body: dict[str, Any]) -> None:
        roles = [a_role() for _ in range(8)]
        read, start = admin.get(f"{USERS}/{grace.id}").headers["ETag"], Barrier(8)

        def change(role: str) -> int:
            sent = {name: role if value == "{}" else ["user", role] for name, value in body.items()}
            start.wait()
            return admin.patch(f"{USERS}/{grace.id}", sent, headers={"If-Match": read}).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(change, roles))

        assert statuses == [200] + [412] * 7

    def test_without_a_version_all_happen_one_after_the_other(self, admin: Api, grace: Person) -> None:
        start = Barrier(8)

        def change(number: int) -> int:
            start.wait()
            return admin.patch(f"{USERS}/{grace.id}", {"first_name": f"number {number}"}).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(change, range(8)))

        assert statuses == [200] * 8
        assert admin.get(f"{USERS}/{grace.id}").headers["ETag"] == '"9"'
