"""Columns that are encrypted at rest: AES-256-GCM under a key derived from SECRET_KEY, one for each column."""

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from app.core.keyring import Keyring

_keyring: Keyring


def connect(keyring: Keyring) -> None:
    """Learn the keys; once, during assembly."""
    global _keyring  # noqa: PLW0603 -- set once during assembly
    _keyring = keyring


class Sealed(TypeDecorator[bytes]):
    """Bytes that only this service reads. ``purpose`` names the column, so that a value moved elsewhere is refused.

    Reading raises Undecryptable if no secret of SECRET_KEY opens the value.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 -- SQLAlchemy's protocol
        """Encrypt under the newest secret."""
        return None if value is None else _keyring.encrypt(self.purpose, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 -- SQLAlchemy's protocol
        """Decrypt with whichever secret opens it."""
        return None if value is None else _keyring.decrypt(self.purpose, value)
