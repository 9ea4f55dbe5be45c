"""DELETE /api/v1/users/{id}, POST …/restore and POST …/sessions:revoke."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.api import USER_FIELDS, Api, Person, a_holder_of, a_role, a_user, an_admin

USERS = "/api/v1/users"


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@pytest.fixture
def grace(api: Api) -> Person:
    return a_user(username="grace", email="grace@navy.test")


class TestDelete:
    def test_answers_with_nothing(self, admin: Api, grace: Person) -> None:
        answer = admin.delete(f"{USERS}/{grace.id}")

        assert answer.status_code == 204
        assert answer.data == b""

    def test_leaves_the_user_to_those_who_may_see_deleted_ones(self, api: Api, admin: Api, grace: Person) -> None:
        admin.delete(f"{USERS}/{grace.id}")

        shown = admin.get(f"{USERS}/{grace.id}")
        hidden = api.as_(a_holder_of("users:read", "users:write")).get(f"{USERS}/{grace.id}")

        assert shown.result["deleted_at"] >= shown.result["created_at"]
        assert hidden.status_code == 404

    @pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
    def test_leaves_nothing_to_change(self, admin: Api, grace: Person, method: str) -> None:
        admin.delete(f"{USERS}/{grace.id}")

        answer = admin.send(method, f"{USERS}/{grace.id}", {"username": "grace", "email": "grace@navy.test"})

        assert answer.status_code == 404

    def test_ends_every_session_at_once(self, api: Api, admin: Api, grace: Person) -> None:
        hers = api.as_(grace)
        there = hers.get("/auth/me").status_code

        admin.delete(f"{USERS}/{grace.id}")

        assert there == 200
        assert hers.get("/auth/me").status_code == 401
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 401

    def test_lets_nobody_in_and_says_no_more_than_to_strangers(self, api: Api, admin: Api, grace: Person) -> None:
        admin.delete(f"{USERS}/{grace.id}")

        answer = api.post("/auth/login", {"username": "grace", "password": grace.password})

        assert answer.status_code == 401
        assert answer.code == "INVALID_CREDENTIALS"

    def test_frees_address_and_name(self, api: Api, admin: Api, grace: Person) -> None:
        admin.delete(f"{USERS}/{grace.id}")

        made = admin.post(USERS, {"username": "grace", "email": "grace@navy.test"})
        admin.delete(made.headers["Location"])
        registered = api.post(
            "/auth/register", {"username": "grace", "email": "grace@navy.test", "password": grace.password}
        )

        assert (made.status_code, registered.status_code) == (201, 201)
        assert registered.result["id"] not in {grace.id, made.result["id"]}

    def test_does_not_find_what_is_not_there(self, admin: Api) -> None:
        assert admin.delete(f"{USERS}/999999").status_code == 404


class TestRestore:
    def test_brings_the_user_back_as_they_were(self, api: Api, admin: Api) -> None:
        role = a_role("users:read")
        ada = a_user(first_name="Ada", roles=(role,))
        before = admin.get(f"{USERS}/{ada.id}").result
        admin.delete(f"{USERS}/{ada.id}")

        answer = admin.post(f"{USERS}/{ada.id}/restore")

        assert answer.status_code == 200
        assert answer.result.keys() == USER_FIELDS | {"deleted_at"}
        assert answer.result == {**before, "updated_at": answer.result["updated_at"]}
        assert admin.get(f"{USERS}/{ada.id}").result == answer.result
        assert api.sign_in(ada).status_code == 200

    def test_revives_no_session(self, api: Api, admin: Api, grace: Person) -> None:
        hers = api.as_(grace)
        admin.delete(f"{USERS}/{grace.id}")

        admin.post(f"{USERS}/{grace.id}/restore")

        assert hers.get("/auth/me").status_code == 401
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 401

    @pytest.mark.parametrize(
        ("named", "code"),
        [
            ({"email": "GRACE@navy.test"}, "EMAIL_TAKEN"),
            ({"username": "GRACE"}, "USERNAME_TAKEN"),
            ({"username": "grace", "email": "grace@navy.test"}, "EMAIL_TAKEN"),
        ],
        ids=["address", "name", "both"],
    )
    def test_is_refused_while_somebody_has_their_place(
        self, admin: Api, grace: Person, named: dict[str, str], code: str
    ) -> None:
        admin.delete(f"{USERS}/{grace.id}")
        made = admin.post(USERS, {"username": "other", "email": "other@navy.test", **named})

        refused = admin.post(f"{USERS}/{grace.id}/restore")
        still = admin.get(f"{USERS}/{grace.id}").result["deleted_at"]
        admin.delete(made.headers["Location"])
        restored = admin.post(f"{USERS}/{grace.id}/restore")

        assert refused.status_code == 409
        assert refused.code == code
        assert still is not None
        assert restored.status_code == 200

    def test_finds_only_deleted_users(self, admin: Api, grace: Person) -> None:
        living, missing = (admin.post(f"{USERS}/{number}/restore").status_code for number in (grace.id, 999999))

        assert (living, missing) == (404, 404)

    def test_of_one_user_at_once_happens_once(self, admin: Api, grace: Person) -> None:
        admin.delete(f"{USERS}/{grace.id}")
        start = Barrier(5)

        def restore(_: int) -> int:
            start.wait()
            return admin.post(f"{USERS}/{grace.id}/restore").status_code

        with ThreadPoolExecutor(5) as pool:
            statuses = sorted(pool.map(restore, range(5)))

        assert statuses == [200, 404, 404, 404, 404]

    def test_of_all_who_had_one_address_lets_one_have_it(self, admin: Api) -> None:
        former = []
        for number in range(5):
            former.append(a_user(username=f"grace{number}", email="grace@navy.test"))
            admin.delete(f"{USERS}/{former[-1].id}")
        start = Barrier(5)

        def restore(person: Person) -> int:
            start.wait()
            return admin.post(f"{USERS}/{person.id}/restore").status_code

        with ThreadPoolExecutor(5) as pool:
            statuses = sorted(pool.map(restore, former))

        assert statuses == [200, 409, 409, 409, 409]


class TestSessionsRevoke:
    def test_ends_all_sessions_of_the_user_and_nobody_elses(self, api: Api, admin: Api, grace: Person) -> None:
        first = api.as_(grace)
        api.sign_in(grace)
        second, other = api.as_(grace), api.as_(a_user())

        answer = admin.post(f"{USERS}/{grace.id}/sessions:revoke")

        assert answer.status_code == 204
        assert answer.data == b""
        assert [client.get("/auth/me").status_code for client in (first, second, other)] == [401, 401, 200]
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 401

    def test_lets_the_user_sign_in_again(self, api: Api, admin: Api, grace: Person) -> None:
        admin.post(f"{USERS}/{grace.id}/sessions:revoke")

        assert api.sign_in(grace).status_code == 200

    def test_needs_no_session_to_be_there(self, admin: Api, grace: Person) -> None:
        assert admin.post(f"{USERS}/{grace.id}/sessions:revoke").status_code == 204

    def test_may_end_the_callers_own(self, api: Api) -> None:
        person = an_admin()
        admin = api.as_(person)

        answer = admin.post(f"{USERS}/{person.id}/sessions:revoke")

        assert answer.status_code == 204
        assert admin.get("/auth/me").status_code == 401

    def test_does_not_find_who_is_not_there(self, api: Api, admin: Api, grace: Person) -> None:
        manager = api.as_(a_holder_of("users:read", "users:write"))
        admin.delete(f"{USERS}/{grace.id}")

        deleted, missing = (
            manager.post(f"{USERS}/{number}/sessions:revoke").status_code for number in (grace.id, 999999)
        )

        assert (deleted, missing) == (404, 404)
