import pytest
from pwdlib.hashers.argon2 import Argon2Hasher


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
