"""PATCH and PUT /api/v1/users/{id}: what they set and what they refuse."""

from typing import Any

import pytest

from tests.api import USER_FIELDS, Answer, Api, Person, a_holder_of, a_role, a_user, an_admin
from tests.conftest import Clock
from tests.world import World

USERS = "/api/v1/users"

REFUSED: list[tuple[str, Any]] = [
    ("id", 4711),
    ("password", "Correct-Horse-7-Battery"),
    ("password_hash", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"),
    ("version", 7),
    ("created_at", "2020-01-01T00:00:00.000Z"),
    ("updated_at", "2020-01-01T00:00:00.000Z"),
    ("deleted_at", None),
    ("email_verified", True),
    ("permissions", ["users:read"]),
    ("locale", "en"),
    ("username", "x"),
    ("username", None),
    ("email", "grace"),
    ("email", None),
    ("first_name", "x" * 101),
    ("first_name", None),
    ("last_name", ["x"]),
    ("last_name", None),
    ("is_active", 1),
    ("is_active", None),
    ("roles", ["no-such-role"]),
    ("roles", [7]),
    ("roles", None),
]


def refused(answer: Answer) -> list[str]:
    """Return the fields that a 422 complains of."""
    assert answer.status_code == 422, answer.text
    return [name.partition(".")[0] for name in answer.details]


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@pytest.fixture
def grace(api: Api) -> Person:
    return a_user(username="grace", email="grace@navy.test", first_name="Grace", last_name="Hopper")


class TestRead:
    def test_shows_the_user(self, api: Api, grace: Person) -> None:
        answer = api.as_(a_holder_of("users:read")).get(f"{USERS}/{grace.id}")

        assert answer.status_code == 200
        assert answer.result.keys() == USER_FIELDS
        assert answer.result["username"] == "grace"
        assert answer.result["roles"] == ["user"]

    def test_shows_when_a_user_was_deleted_to_those_who_may_know(self, admin: Api, grace: Person) -> None:
        answer = admin.get(f"{USERS}/{grace.id}")

        assert answer.result.keys() == USER_FIELDS | {"deleted_at"}
        assert answer.result["deleted_at"] is None

    def test_does_not_find_what_is_not_there(self, admin: Api) -> None:
        numbers = ("999999", str(2**63 - 1), str(2**63), "9" * 20, "0")

        answers = [admin.get(f"{USERS}/{number}") for number in numbers]

        assert [(answer.status_code, answer.code) for answer in answers] == [(404, "NOT_FOUND")] * 5


class TestPatch:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("username", "Hopper"),
            ("email", "Hopper@Navy.test"),
            ("first_name", "Amazing"),
            ("first_name", ""),
            ("last_name", "Murray"),
            ("is_active", False),
            ("roles", []),
        ],
    )
    def test_sets_what_it_names_and_nothing_else(self, admin: Api, grace: Person, field: str, value: Any) -> None:
        before = admin.get(f"{USERS}/{grace.id}").result

        answer = admin.patch(f"{USERS}/{grace.id}", {field: value})

        after = admin.get(f"{USERS}/{grace.id}").result
        assert answer.status_code == 200
        assert answer.result == after
        assert after["updated_at"] >= before.pop("updated_at")
        assert after == {**before, field: value, "updated_at": after["updated_at"]}

    def test_of_nothing_changes_nothing(self, admin: Api, grace: Person) -> None:
        before = admin.get(f"{USERS}/{grace.id}")

        answer = admin.patch(f"{USERS}/{grace.id}", {})

        assert answer.status_code == 200
        assert answer.result == before.result
        assert answer.headers["ETag"] == before.headers["ETag"]

    def test_takes_texts_in_one_normal_form(self, admin: Api, grace: Person) -> None:
        answer = admin.patch(f"{USERS}/{grace.id}", {"first_name": "E\u0301mile"})

        assert answer.result["first_name"] == "Émile"

    def test_refuses_fields_that_nobody_sets_and_values_that_cannot_be(self, admin: Api, grace: Person) -> None:
        before = admin.get(f"{USERS}/{grace.id}").result

        answers = [admin.patch(f"{USERS}/{grace.id}", {"first_name": "New", field: value}) for field, value in REFUSED]

        assert [refused(answer) for answer in answers] == [[field] for field, _ in REFUSED]
        assert admin.get(f"{USERS}/{grace.id}").result == before


class TestPut:
    def test_sets_everything(self, admin: Api, grace: Person) -> None:
        body = {
            "username": "Hopper",
            "email": "hopper@navy.test",
            "first_name": "Amazing",
            "last_name": "Murray",
            "is_active": False,
            "roles": [],
        }

        answer = admin.put(f"{USERS}/{grace.id}", body)

        assert answer.status_code == 200
        assert {name: answer.result[name] for name in body} == body
        assert admin.get(f"{USERS}/{grace.id}").result == answer.result

    def test_sets_what_is_left_out_to_its_default(self, admin: Api) -> None:
        idle = a_user(first_name="Grace", last_name="Hopper", is_active=False, roles=(a_role("users:read"),))

        answer = admin.put(f"{USERS}/{idle.id}", {"username": idle.username, "email": idle.email})

        assert (answer.result["first_name"], answer.result["last_name"]) == ("", "")
        assert answer.result["is_active"] is True
        assert answer.result["roles"] == ["user"]

    def test_leaves_the_password(self, api: Api, admin: Api, grace: Person) -> None:
        admin.put(f"{USERS}/{grace.id}", {"username": "grace", "email": "grace@navy.test"})

        assert api.sign_in(grace).status_code == 200

    @pytest.mark.parametrize("missing", ["username", "email"])
    def test_needs_name_and_address(self, admin: Api, grace: Person, missing: str) -> None:
        body = {"username": "grace", "email": "grace@navy.test"}
        del body[missing]

        answer = admin.put(f"{USERS}/{grace.id}", body)

        assert answer.status_code == 422
        assert list(answer.details) == [missing]

    def test_refuses_what_patch_refuses(self, admin: Api, grace: Person) -> None:
        before = admin.get(f"{USERS}/{grace.id}").result

        answers = [
            admin.put(f"{USERS}/{grace.id}", {"username": "hopper", "email": "hopper@navy.test", field: value})
            for field, value in REFUSED
        ]

        assert [refused(answer) for answer in answers] == [[field] for field, _ in REFUSED]
        assert admin.get(f"{USERS}/{grace.id}").result == before


class TestTaken:
    @pytest.mark.parametrize(
        ("named", "code"),
        [({"email": "ADA@royal.TEST"}, "EMAIL_TAKEN"), ({"username": "ADA"}, "USERNAME_TAKEN")],
        ids=["address", "name"],
    )
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_is_refused(self, admin: Api, grace: Person, method: str, named: dict[str, str], code: str) -> None:
        a_user(username="Ada", email="ada@royal.test")
        before = admin.get(f"{USERS}/{grace.id}").result

        answer = admin.send(
            method, f"{USERS}/{grace.id}", {"username": "grace", "email": "grace@navy.test", "last_name": "X", **named}
        )

        assert answer.status_code == 409
        assert answer.code == code
        assert admin.get(f"{USERS}/{grace.id}").result == before

    def test_is_not_by_oneself(self, admin: Api, grace: Person) -> None:
        answer = admin.patch(f"{USERS}/{grace.id}", {"email": "GRACE@navy.test", "username": "GRACE"})

        assert answer.status_code == 200
        assert (answer.result["email"], answer.result["username"]) == ("GRACE@navy.test", "GRACE")


class TestAddress:
    def test_is_unverified_once_changed(self, admin: Api) -> None:
        ada = a_user(email_verified=True)

        answer = admin.patch(f"{USERS}/{ada.id}", {"email": "new@royal.test"})

        assert answer.result["email_verified"] is False

    def test_stays_verified_while_it_stays(self, admin: Api) -> None:
        ada = a_user(email_verified=True)

        answer = admin.patch(f"{USERS}/{ada.id}", {"email": ada.email, "first_name": "Ada"})

        assert answer.result["email_verified"] is True

    def test_signs_in_once_changed_and_the_old_one_does_not(self, api: Api, admin: Api, grace: Person) -> None:
        admin.patch(f"{USERS}/{grace.id}", {"email": "hopper@navy.test"})

        new, old = (
            api.post("/auth/login", {"email": email, "password": grace.password}).status_code
            for email in ("hopper@navy.test", "grace@navy.test")
        )

        assert (new, old) == (200, 401)


class TestDisabling:
    def test_ends_every_session_at_once_and_for_good(self, api: Api, admin: Api, grace: Person) -> None:
        hers = api.as_(grace)
        there = hers.get("/auth/me").status_code

        admin.patch(f"{USERS}/{grace.id}", {"is_active": False})
        disabled = hers.get("/auth/me").status_code
        admin.patch(f"{USERS}/{grace.id}", {"is_active": True})
        enabled = hers.get("/auth/me").status_code
        refreshed = api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code

        assert (there, disabled, enabled, refreshed) == (200, 401, 401, 401)

    def test_keeps_them_out_until_it_is_undone(self, api: Api, admin: Api, grace: Person) -> None:
        login = {"username": "grace", "password": grace.password}

        admin.put(f"{USERS}/{grace.id}", {"username": "grace", "email": grace.email, "is_active": False})
        while_disabled = api.post("/auth/login", login).status_code
        admin.patch(f"{USERS}/{grace.id}", {"is_active": True})

        assert while_disabled == 403
        assert api.post("/auth/login", login).status_code == 200


class TestUpdatedAt:
    def test_tells_the_last_change(self, clock: Clock, admin: Api, grace: Person, world: World) -> None:
        clock.advance(minutes=5)

        before = admin.get(f"{USERS}/{grace.id}").result["updated_at"]
        after = admin.patch(f"{USERS}/{grace.id}", {"roles": []}).result["updated_at"]

        assert after > before
