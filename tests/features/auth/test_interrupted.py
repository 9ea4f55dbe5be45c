"""No connection is held while a password is hashed, so what was read of an account may be outdated afterwards."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.api import Api, Person, a_user
from tests.features.auth.looks import hash_of, live_sessions_of, set_user
from tests.world import PASSWORD

Interrupt = Callable[[Callable[[], None]], None]


@pytest.fixture
def while_hashing(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Have something done by somebody else during the next comparison of a password with a hash."""
    planned: list[Callable[[], None]] = []
    verify = Argon2Hasher.verify

    def interrupted(self: Argon2Hasher, password: str | bytes, hashed: str | bytes) -> bool:
        right = verify(self, password, hashed)
        with ThreadPoolExecutor(1) as somebody:
            while planned:
                somebody.submit(planned.pop()).result()
        return right

    monkeypatch.setattr(Argon2Hasher, "verify", interrupted)
    return planned.append


@pytest.fixture
def grace(api: Api) -> Person:
    person = a_user()
    api.sign_in(person)
    return person


def hash_of_another_password() -> str:
    return hash_of(a_user(password="Another-Horse-8-Staple"))


class TestLogin:
    @pytest.mark.parametrize(
        "columns", [{"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}], ids=["disabled", "deleted"]
    )
    def test_is_refused_to_somebody_who_was_just_locked_out(
        self, api: Api, while_hashing: Interrupt, columns: dict[str, object]
    ) -> None:
        grace = a_user()
        while_hashing(lambda: set_user(grace, **columns))

        answer = api.post("/auth/login", {"email": grace.email, "password": PASSWORD})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")
        assert live_sessions_of(grace) == []

    def test_is_refused_with_a_password_that_was_just_replaced(self, api: Api, while_hashing: Interrupt) -> None:
        grace, replaced = a_user(), hash_of_another_password()
        while_hashing(lambda: set_user(grace, password_hash=replaced))

        answer = api.post("/auth/login", {"email": grace.email, "password": PASSWORD})

        assert answer.status_code == 401
        assert live_sessions_of(grace) == []


class TestPasswordChange:
    def test_does_not_overwrite_a_password_that_was_just_replaced(
        self, api: Api, grace: Person, while_hashing: Interrupt
    ) -> None:
        replaced = hash_of_another_password()
        while_hashing(lambda: set_user(grace, password_hash=replaced))
        body = {"current_password": PASSWORD, "new_password": "A-Third-Horse-9-Oats"}

        answer = api.as_(grace).post("/auth/password/change", body)

        assert (answer.status_code, answer.code) == (403, "WRONG_PASSWORD")
        assert hash_of(grace) == replaced
