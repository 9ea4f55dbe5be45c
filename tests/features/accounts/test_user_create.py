"""POST /api/v1/users."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.api import USER_FIELDS, Api, Person, a_holder_of, a_role, a_user, an_admin
from tests.world import PASSWORD

USERS = "/api/v1/users"

REFUSED: list[tuple[str, Any]] = [
    ("username", "ab"),
    ("username", "x" * 33),
    ("username", "-abc"),
    ("username", "a b c"),
    ("username", "gräce"),
    ("username", "grace\n"),
    ("username", 7),
    ("username", None),
    ("email", "grace"),
    ("email", "gr\u00e4ce@navy.test"),
    ("email", "grace@navy .test"),
    ("email", "grace@" + "n" * 250 + ".test"),
    ("email", None),
    ("password", "short"),
    ("password", "Password123"),
    ("password", "x" * 129),
    ("password", 12345678),
    ("first_name", "x" * 101),
    ("first_name", "two\nlines"),
    ("first_name", None),
    ("last_name", 1),
    ("last_name", None),
    ("is_active", "true"),
    ("is_active", 1),
    ("is_active", None),
    ("roles", "user"),
    ("roles", ["no-such-role"]),
    ("roles", None),
    # what is not for clients to set
    ("id", 4711),
    ("password_hash", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"),
    ("version", 7),
    ("created_at", "2020-01-01T00:00:00.000Z"),
    ("updated_at", "2020-01-01T00:00:00.000Z"),
    ("deleted_at", None),
    ("email_verified", True),
    ("email_verified_at", "2020-01-01T00:00:00.000Z"),
    ("permissions", ["users:read"]),
    ("is_admin", True),
    ("role", "admin"),
]


class TestCreate:
    def test_answers_with_the_user(self, api: Api) -> None:
        answer = api.as_(an_admin()).post(
            USERS,
            {
                "username": "Grace",
                "email": "Grace@Navy.test",
                "first_name": "Grace",
                "last_name": "Hopper",
                "is_active": False,
                "roles": ["user", "admin"],
            },
        )

        assert answer.status_code == 201
        made = answer.result
        assert made.keys() == USER_FIELDS | {"deleted_at"}
        assert type(made["id"]) is int
        assert made["username"] == "Grace"
        assert made["email"] == "Grace@Navy.test"
        assert (made["first_name"], made["last_name"]) == ("Grace", "Hopper")
        assert (made["is_active"], made["email_verified"], made["deleted_at"]) == (False, False, None)
        assert made["roles"] == ["admin", "user"]
        assert made["created_at"] == made["updated_at"]

    def test_says_where_the_user_is_and_which_version(self, api: Api) -> None:
        admin = api.as_(an_admin())

        made = admin.post(USERS, {"username": "grace", "email": "grace@navy.test"})
        found = admin.get(made.headers["Location"])

        assert made.headers["Location"] == f"/api/v1/users/{made.result['id']}"
        assert found.result == made.result
        assert found.headers["ETag"] == made.headers["ETag"]

    def test_leaves_out_when_a_user_was_deleted_for_those_who_may_not_know(self, api: Api) -> None:
        answer = api.as_(a_holder_of("users:write")).post(USERS, {"username": "grace", "email": "grace@navy.test"})

        assert answer.status_code == 201
        assert answer.result.keys() == USER_FIELDS

    def test_needs_only_name_and_address(self, api: Api) -> None:
        made = api.as_(an_admin()).post(USERS, {"username": "grace", "email": "grace@navy.test"}).result

        assert made["roles"] == ["user"]
        assert made["is_active"] is True
        assert (made["first_name"], made["last_name"]) == ("", "")

    def test_gives_a_first_password(self, api: Api) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "password": PASSWORD}

        api.as_(an_admin()).post(USERS, body)

        assert api.post("/auth/login", {"username": "grace", "password": PASSWORD}).status_code == 200

    @pytest.mark.parametrize("more", [{}, {"password": None}], ids=["left out", "null"])
    def test_without_a_password_lets_nobody_in(self, api: Api, more: dict[str, None]) -> None:
        made = api.as_(an_admin()).post(USERS, {"username": "grace", "email": "grace@navy.test", **more})

        assert made.status_code == 201
        assert api.post("/auth/login", {"username": "grace", "password": PASSWORD}).status_code == 401

    def test_gives_several_roles_once_each(self, api: Api) -> None:
        role = a_role("users:read")
        body = {"username": "grace", "email": "grace@navy.test", "roles": [role, "user", role]}

        made = api.as_(an_admin()).post(USERS, body)

        assert made.status_code == 201
        assert sorted(made.result["roles"]) == sorted([role, "user"])

    def test_may_give_no_role_at_all(self, api: Api) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "roles": []}

        assert api.as_(an_admin()).post(USERS, body).result["roles"] == []


class TestTaken:
    @pytest.mark.parametrize(
        ("named", "code"),
        [
            ({"email": "GRACE@navy.TEST"}, "EMAIL_TAKEN"),
            ({"username": "GRACE"}, "USERNAME_TAKEN"),
        ],
        ids=["address", "name"],
    )
    def test_is_refused_in_any_case(self, api: Api, named: dict[str, str], code: str) -> None:
        a_user(username="Grace", email="Grace@Navy.test")

        answer = api.as_(an_admin()).post(USERS, {"username": "other", "email": "other@navy.test", **named})

        assert answer.status_code == 409
        assert answer.code == code

    def test_of_twenty_at_once_one_wins(self, api: Api) -> None:
        admin, start = api.as_(an_admin()), Barrier(20)

        def create(number: int) -> int:
            start.wait()
            return admin.post(USERS, {"username": f"grace{number}", "email": "grace@navy.test"}).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = sorted(pool.map(create, range(20)))

        assert statuses == [201] + [409] * 19
        assert len(admin.get(f"{USERS}?q=grace%40navy").result) == 1


class TestRefusals:
    def test_name_the_field_and_make_nobody(self, api: Api) -> None:
        admin = api.as_(an_admin())

        answers = [
            admin.post(USERS, {"username": "grace", "email": "grace@navy.test", field: value})
            for field, value in REFUSED
        ]

        assert [(answer.status_code, list(answer.details)) for answer in answers] == [
            (422, [field]) for field, _ in REFUSED
        ]
        assert len(admin.get(USERS).result) == 1

    def test_do_not_echo_what_was_sent(self, api: Api) -> None:
        body = {"username": "zorglub!!", "email": "zorglub?", "password": "zorglub", "zorg": "zorglub"}

        answer = api.as_(an_admin()).post(USERS, body)

        assert answer.status_code == 422
        assert answer.details.keys() >= {"username", "zorg"}
        assert "zorglub" not in answer.text

    @pytest.mark.parametrize("missing", ["username", "email"])
    def test_miss_what_is_needed(self, api: Api, missing: str) -> None:
        body = {"username": "grace", "email": "grace@navy.test"}
        del body[missing]

        answer = api.as_(an_admin()).post(USERS, body)

        assert answer.status_code == 422
        assert list(answer.details) == [missing]

    def test_leave_no_half_made_user(self, api: Api) -> None:
        admin = api.as_(an_admin())
        body = {"username": "grace", "email": "grace@navy.test", "roles": ["no-such-role"]}

        refused = admin.post(USERS, body)
        made = admin.post(USERS, {**body, "roles": ["user"]})

        assert (refused.status_code, made.status_code) == (422, 201)


class TestDisabled:
    def test_cannot_sign_in(self, api: Api) -> None:
        body = {"username": "grace", "email": "grace@navy.test", "password": PASSWORD, "is_active": False}

        made = api.as_(an_admin()).post(USERS, body).result

        person = Person(made["id"], "grace", "grace@navy.test")
        answer = api.post("/auth/login", {"username": person.username, "password": person.password})
        assert answer.status_code == 403
        assert answer.code == "ACCOUNT_DISABLED"
