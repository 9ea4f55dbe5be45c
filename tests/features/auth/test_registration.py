from typing import Any

import pytest

from app.core.identifiers import RESERVED
from tests.api import Answer, Api, a_user, an_admin
from tests.features.auth.looks import audited, the_trail, users_named
from tests.features.auth.together import at_once

PASSWORD = "SecurePass123!"


def register(api: Api, **changed: Any) -> Answer:
    body = {"username": "grace", "email": "grace@navy.test", "password": PASSWORD, **changed}
    return api.post("/auth/register", body)


class TestRegister:
    def test_answers_with_the_account(self, api: Api) -> None:
        answer = register(api, first_name="Grace", last_name="Hopper")

        assert answer.status_code == 201
        made = answer.result
        times = made.pop("created_at"), made.pop("updated_at")
        assert times[0] == times[1]
        assert times[0].endswith("Z")
        assert made == {
            "id": made["id"],
            "username": "grace",
            "email": "grace@navy.test",
            "email_verified": False,
            "first_name": "Grace",
            "last_name": "Hopper",
            "is_active": True,
            "roles": ["user"],
        }

    def test_says_where_the_account_is(self, api: Api) -> None:
        answer = register(api)

        assert answer.headers["Location"] == f"/api/v1/users/{answer.result['id']}"
        found = api.as_(an_admin()).get(answer.headers["Location"])
        assert found.result["username"] == "grace"

    def test_keeps_names_as_they_were_typed(self, api: Api) -> None:
        made = register(api, username="Grace.Hopper", email="Grace@Navy.test").result

        assert (made["username"], made["email"]) == ("Grace.Hopper", "Grace@Navy.test")

    def test_ignores_who_asks(self, api: Api) -> None:
        answer = register(api.as_(an_admin()))

        assert answer.result["roles"] == ["user"]

    def test_is_audited(self, api: Api) -> None:
        made = register(api).result

        assert [event.target.id for event in audited("user_created") if event.target] == [str(made["id"])]
        given = audited("authz_change")[0]
        assert given.target is not None
        assert (given.target.id, given.detail) == (str(made["id"]), {"old": [], "new": ["user"]})

    def test_leaves_no_secret_and_no_address_in_the_trail(self, api: Api) -> None:
        register(api)

        trail = the_trail()
        assert "user_created" in trail
        assert PASSWORD not in trail
        assert "grace@navy.test" not in trail

    def test_answers_malformed_json_with_400(self, api: Api) -> None:
        answer = api.post("/auth/register", data=b'{"username": ')

        assert (answer.status_code, answer.code) == (400, "MALFORMED_REQUEST")


class TestTaken:
    @pytest.mark.parametrize("email", ["grace@navy.test", "GRACE@Navy.Test"], ids=["same", "other case"])
    def test_refuses_a_taken_email(self, api: Api, email: str) -> None:
        a_user(email="grace@navy.test")

        answer = register(api, email=email)

        assert (answer.status_code, answer.code) == (409, "EMAIL_TAKEN")

    @pytest.mark.parametrize("username", ["grace", "GRACE"])
    def test_refuses_a_taken_username(self, api: Api, username: str) -> None:
        a_user(username="grace")

        answer = register(api, username=username, email="another@navy.test")

        assert (answer.status_code, answer.code) == (409, "USERNAME_TAKEN")

    def test_knows_one_domain_in_both_spellings(self, api: Api) -> None:
        register(api, email="grace@bücher.example")

        answer = register(api, username="hopper", email="grace@xn--bcher-kva.example")

        assert answer.code == "EMAIL_TAKEN"

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"username": "mi\u212ae"}, "USERNAME_TAKEN"),
            ({"email": "mi\u212ae@navy.test"}, "EMAIL_TAKEN"),
        ],
        ids=["name", "address"],
    )
    def test_takes_a_kelvin_sign_for_the_letter_that_it_is_in_nfc(
        self, api: Api, changed: dict[str, str], code: str
    ) -> None:
        a_user(username="mike", email="mike@navy.test")

        answer = register(api, **changed)

        assert (answer.status_code, answer.code) == (409, code)

    def test_gives_the_names_of_the_deleted_to_others(self, api: Api) -> None:
        gone = a_user(username="grace", email="grace@navy.test")
        api.as_(an_admin()).delete(f"/api/v1/users/{gone.id}")

        answer = register(api)

        assert answer.status_code == 201
        assert answer.result["id"] != gone.id

    def test_makes_nothing_of_a_refused_registration(self, api: Api) -> None:
        a_user(email="grace@navy.test")
        before = len(audited("user_created"))

        register(api, username="hopper")

        assert users_named("hopper") == 0
        assert len(audited("user_created")) == before


class TestParallelRegistrations:
    def test_of_twenty_identical_one_wins(self, api: Api) -> None:
        answers = at_once(20, lambda _: register(api))

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        assert {answer.code for answer in answers if answer.status_code == 409} <= {
            "EMAIL_TAKEN",
            "USERNAME_TAKEN",
        }
        assert users_named("grace") == 1

    def test_of_twenty_with_one_address_one_wins(self, api: Api) -> None:
        answers = at_once(20, lambda number: register(api, username=f"grace{number}"))

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        assert {answer.code for answer in answers if answer.status_code == 409} == {"EMAIL_TAKEN"}
        assert users_named(*(f"grace{number}" for number in range(20))) == 1

    def test_of_twenty_with_one_username_one_wins(self, api: Api) -> None:
        answers = at_once(20, lambda number: register(api, email=f"grace{number}@navy.test"))

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        assert {answer.code for answer in answers if answer.status_code == 409} == {"USERNAME_TAKEN"}


class TestMassAssignment:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("role", "admin"),
            ("roles", ["admin"]),
            ("permissions", ["users:write"]),
            ("is_admin", True),
            ("is_superuser", True),
            ("is_active", False),
            ("email_verified", True),
            ("id", 1),
            ("created_at", "2020-01-01T00:00:00Z"),
            ("password_hash", "$argon2id$"),
            ("surprise", None),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refuses_a_field_that_is_not_the_clients(self, api: Api, field: str, value: object) -> None:
        answer = register(api, **{field: value})

        assert (answer.status_code, answer.code) == (422, "VALIDATION_ERROR")
        assert list(answer.details) == [field]
        assert users_named("grace") == 0


class TestUsername:
    @pytest.mark.parametrize("username", sorted(RESERVED))
    def test_refuses_a_name_that_poses_as_the_service(self, api: Api, username: str) -> None:
        answer = register(api, username=username.capitalize())

        assert answer.status_code == 422
        assert list(answer.details) == ["username"]

    @pytest.mark.parametrize(
        "username",
        [
            pytest.param("\u0430dmin", id="cyrillic a"),
            pytest.param("gra\u0441e", id="cyrillic s"),
            pytest.param("\uff47race", id="full width"),
            pytest.param("gr\u00e2ce", id="accent"),
            pytest.param("bo\u017fs", id="long s"),
            pytest.param("mike\u200b", id="zero-width space"),
            pytest.param("\u202eecarg", id="right-to-left override"),
            pytest.param("\u0661\u0662\u0663", id="arabic digits"),
        ],
    )
    def test_refuses_look_alikes(self, api: Api, username: str) -> None:
        answer = register(api, username=username)

        assert answer.status_code == 422
        assert list(answer.details) == ["username"]

    @pytest.mark.parametrize(
        "username",
        ["", "ab", "a" * 33, "-abc", "abc.", "a b", "abc\n", "a@b.test", "a/b", None, 7, ["abc"]],
        ids=repr,
    )
    def test_refuses_what_is_not_a_username(self, api: Api, username: object) -> None:
        answer = register(api, username=username)

        assert answer.status_code == 422
        assert list(answer.details) == ["username"]

    @pytest.mark.parametrize("username", ["abc", "a" * 32, "a.b-c_d", "42x", "grace.hopper"])
    def test_accepts_plain_names(self, api: Api, username: str) -> None:
        assert register(api, username=username).status_code == 201


class TestEmail:
    @pytest.mark.parametrize(
        "email",
        ["me@local.test", "a@host.local", "x@y.example", "first.last+tag@sub.navy.test", "o'hara@navy.test"],
    )
    def test_accepts_real_and_private_addresses(self, api: Api, email: str) -> None:
        answer = register(api, email=email)

        assert answer.status_code == 201
        assert answer.result["email"] == email

    @pytest.mark.parametrize(
        "email",
        [
            pytest.param("m\u0131ke@navy.test", id="dotless i"),
            pytest.param("gr\u00e2ce@navy.test", id="accent"),
            pytest.param("gr\u0430ce@navy.test", id="cyrillic a"),
            pytest.param("grace", id="no at"),
            pytest.param("grace@", id="no domain"),
            pytest.param("@navy.test", id="no name"),
            pytest.param("grace@@navy.test", id="two ats"),
            pytest.param("grace@navy..test", id="two dots"),
            pytest.param(" grace@navy.test", id="space before"),
            pytest.param("grace@navy.test\r\nBcc: all@navy.test", id="header injection"),
            pytest.param("Grace <grace@navy.test>", id="display name"),
            pytest.param("grace@" + "n" * 250 + ".test", id="long domain"),
            pytest.param(None, id="null"),
            pytest.param(["grace@navy.test"], id="list"),
        ],
    )
    def test_refuses_what_is_not_an_address(self, api: Api, email: object) -> None:
        answer = register(api, email=email)

        assert answer.status_code == 422
        assert list(answer.details) == ["email"]


class TestNames:
    @pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31m", "x" * 101, None, 1], ids=repr)
    def test_refuses_what_is_no_name(self, api: Api, name: object) -> None:
        answer = register(api, first_name=name)

        assert answer.status_code == 422
        assert list(answer.details) == ["first_name"]

    def test_names_every_missing_field(self, api: Api) -> None:
        answer = api.post("/auth/register", {})

        assert answer.status_code == 422
        assert set(answer.details) == {"username", "email", "password"}
