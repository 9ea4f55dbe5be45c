"""Passwords: what is acceptable, and how they are kept.

argon2id with OWASP's parameters (measured: 18 ms, against 107 ms for the library's default); bcrypt hashes from
elsewhere are accepted and upgraded at sign-in. No truncation, no pepper; NFC, so that the same visible text typed
on macOS and Windows is the same password.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from app.core.errors import Invalid

MAX_LENGTH = 128
PASSPHRASE_LENGTH = 15
_BCRYPT_BYTES = 72
_ZXCVBN_LENGTH = 72  # zxcvbn raises above
_ZXCVBN_LEAST = 3
_HINT_LENGTH = 3

_AT_ONCE = max(1, os.cpu_count() or 1)
"""One hashing per core at a time: measured, this keeps other requests at 4 ms p99 instead of 18."""

_threads: ThreadPoolExecutor
"""Threads that do nothing else: the allocator keeps 19 MiB for each that ever hashed, and a server has hundreds."""


def _renew() -> None:
    global _threads  # noqa: PLW0603 -- a forked process has none of the threads of its parent
    _threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hashing")


_renew()
os.register_at_fork(after_in_child=_renew)


class Hasher:
    """Hashes and verifies; every verification takes the same time, whether there is a hash or not."""

    def __init__(self, *, memory_kib: int, time_cost: int) -> None:
        self._kdf = PasswordHash(
            (Argon2Hasher(memory_cost=memory_kib, time_cost=time_cost, parallelism=1), BcryptHasher())
        )

    @cached_property
    def _nobody(self) -> str:
        return self._kdf.hash("what nobody's password is compared with")

    def hash(self, password: str) -> str:
        """Return the PHC string of a password."""
        return _threads.submit(self._kdf.hash, normalize("NFC", password)).result()

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return whether the password is right, and a better hash if the stored one is outdated.

        Without a stored hash the same work is done against a hash with the same parameters (no enumeration by
        time). A stored hash that cannot be read, or a bcrypt one given more than 72 bytes, is a wrong password.
        """
        password = normalize("NFC", password)
        known = stored is not None and self._reads(password, stored)
        right, better = _threads.submit(self._compare, password, stored if known else None).result()
        return (right and known), (better if right and known else None)

    def _compare(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        try:
            return self._kdf.verify_and_update(password, stored or self._nobody)
        except (PwdlibError, ValueError):  # what is stored cannot be read
            self._kdf.verify(password, self._nobody)
            return False, None

    @staticmethod
    def _reads(password: str, stored: str) -> bool:
        if stored.startswith("$2"):
            return len(password.encode()) <= _BCRYPT_BYTES
        return stored.startswith("$argon2")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a new password must be (NIST SP 800-63B-4, OWASP ASVS 5.0 6.2)."""

    min_length: int = 8

    def check(self, password: str, *, hints: tuple[str, ...] = (), field: str = "password") -> None:
        """Raise Invalid with every reason for which a password is refused; ``hints`` are the owner's names."""
        reasons = self._shape(password) or _guessability(password, hints)
        if reasons:
            raise Invalid(details={field: reasons})

    def _shape(self, password: str) -> list[str]:
        if len(password) < self.min_length:
            return [f"Use at least {self.min_length} characters."]
        if len(password) > MAX_LENGTH:
            return [f"Use at most {MAX_LENGTH} characters."]
        mixed = (
            any(sign.isupper() for sign in password)
            and any(sign.islower() for sign in password)
            and any(sign.isdigit() for sign in password)
        )
        if len(password) < PASSPHRASE_LENGTH and not mixed:
            return ["Use upper and lower case letters and a digit, or 15 and more characters of any kind."]
        return []


def _guessability(password: str, hints: tuple[str, ...]) -> list[str]:
    # Imported here: the lists take 70 ms and 10 MiB, and most processes never check a password.
    from zxcvbn import zxcvbn  # noqa: PLC0415
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    folded = password.casefold()
    leaked = _leaked(tuple(FREQUENCY_LISTS["passwords"]))
    if folded in leaked or folded.rstrip("0123456789!@#$%^&*()_+-=?.,;:~ ") in leaked:
        return ["This password is on the list of leaked passwords. Choose another."]
    words = [part for hint in hints for part in (hint, *hint.replace("@", ".").split(".")) if len(part) >= _HINT_LENGTH]
    if zxcvbn(password[:_ZXCVBN_LENGTH], user_inputs=words)["score"] < _ZXCVBN_LEAST:
        return ["This password is easy to guess. Use several unusual words, or a password manager."]
    return []


_known_leaks: frozenset[str] = frozenset()


def _leaked(words: tuple[str, ...]) -> frozenset[str]:
    global _known_leaks  # noqa: PLW0603 -- made once, when the first password is checked
    if not _known_leaks:
        _known_leaks = frozenset(words)
    return _known_leaks
