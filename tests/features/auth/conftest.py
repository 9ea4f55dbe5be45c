import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.api import Api, a_user
from tests.authenticator import STEP, Authenticator, enrolled
from tests.conftest import Clock


@pytest.fixture
def hashings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every hash that a password is compared with."""
    seen: list[str] = []
    verify = Argon2Hasher.verify

    def noted(self: Argon2Hasher, password: str | bytes, hashed: str | bytes) -> bool:
        seen.append(str(hashed))
        return verify(self, password, hashed)

    monkeypatch.setattr(Argon2Hasher, "verify", noted)
    return seen


@pytest.fixture
def app(api: Api, clock: Clock) -> Authenticator:
    """An authenticator of grace, whose present code is not used yet."""
    grace = a_user(username="grace")
    app = enrolled(api, grace)
    clock.advance(seconds=STEP)
    return app
