"""Stored hashes that are not as today's settings would make them."""

import bcrypt
import pytest

from tests.api import Answer, Api, Person, a_user
from tests.features.auth.looks import hash_of, set_user
from tests.features.auth.together import at_once
from tests.world import PASSWORD, World


def a_bcrypt_user(password: str = PASSWORD) -> Person:
    person = a_user()
    set_user(person, password_hash=bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())
    return person


def login(api: Api, person: Person, password: str = PASSWORD) -> Answer:
    return api.post("/auth/login", {"username": person.username, "password": password})


class TestBcrypt:
    def test_is_accepted_and_upgraded(self, api: Api) -> None:
        person = a_bcrypt_user()

        first = login(api, person)

        assert first.status_code == 200
        assert hash_of(person).startswith("$argon2id$")
        assert login(api, person).status_code == 200

    def test_stays_after_a_wrong_password(self, api: Api) -> None:
        person = a_bcrypt_user()

        answer = login(api, person, "wrong")

        assert answer.status_code == 401
        assert hash_of(person).startswith("$2b$")

    @pytest.mark.parametrize(
        "tail", ["", "x", "\u00e9" * 20], ids=["what bcrypt saw", "one byte more", "many bytes more"]
    )
    def test_never_compares_a_part_of_a_longer_password(self, api: Api, tail: str) -> None:
        seen = "Velvet-7-mantis!" * 4 + "12345678"
        assert len(seen) == 72
        person = a_bcrypt_user(seen)

        answer = login(api, person, seen + tail)

        assert answer.status_code == (401 if tail else 200)

    def test_is_upgraded_by_parallel_sign_ins(self, api: Api) -> None:
        person = a_bcrypt_user()

        answers = at_once(4, lambda _: login(api, person))

        assert [answer.status_code for answer in answers] == [200] * 4
        assert hash_of(person).startswith("$argon2id$")


class TestArgon2:
    def test_is_made_again_when_its_parameters_change(self, world: World) -> None:
        person = a_user()
        assert "t=1" in hash_of(person)
        api = Api(world.with_settings(password_hash_time_cost=2))

        answer = login(api, person)

        assert answer.status_code == 200
        assert "t=2" in hash_of(person)
        assert login(api, person).status_code == 200

    def test_stays_while_its_parameters_stay(self, api: Api) -> None:
        person = a_user()
        before = hash_of(person)

        login(api, person)

        assert hash_of(person) == before

    def test_is_another_for_each_owner_of_the_same_password(self, api: Api) -> None:
        owners = [Person(0, name, f"{name}@people.test") for name in ("grace", "ada")]

        made = [
            api.post("/auth/register", {"username": o.username, "email": o.email, "password": PASSWORD}) for o in owners
        ]

        first, second = (hash_of(Person(one.result["id"], "", "")) for one in made)
        assert first != second


class TestUnreadable:
    @pytest.mark.parametrize(
        "stored",
        [
            "",
            "plain",
            PASSWORD,
            "$2b$",
            "$2b$04$short",
            "$2b$99$" + "x" * 53,
            "$2y$04$\u00e9",
            "$argon2id$",
            "$argon2id$v=19$m=8,t=1,p=1$broken",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2xyz$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$5$rounds=5000$salt$hash",
            "md5:5f4dcc3b5aa765d61d8327deb882cf99",
        ],
    )
    def test_is_a_wrong_password(self, api: Api, stored: str) -> None:
        person = a_user()
        set_user(person, password_hash=stored)

        answer = login(api, person)

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")
