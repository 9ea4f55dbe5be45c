"""Keys for each purpose, derived from SECRET_KEY by HKDF (RFC 5869): one secret to keep, none used twice.

SECRET_KEY is a list, newest first: the first makes, every one reads.
"""

import hmac
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class Undecryptable(Exception):
    """No key of SECRET_KEY opens this: the secret was replaced instead of prepended."""


class Keyring:
    """Derives, encrypts (AES-256-GCM) and fingerprints (HMAC-SHA256) for named purposes."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)

    def encrypt(self, purpose: str, data: bytes) -> bytes:
        """Encrypt under the newest secret; the nonce goes in front."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(_derive(self._secrets[0], purpose)).encrypt(nonce, data, purpose.encode())

    def decrypt(self, purpose: str, sealed: bytes) -> bytes:
        """Open what any secret of the list sealed, else raise Undecryptable."""
        for _, opened in self._opened(purpose, sealed):
            return opened
        raise Undecryptable(purpose)

    def age(self, purpose: str, sealed: bytes) -> int | None:
        """Return which secret opens this: 0 for the newest, more for an older one, None for none."""
        return next((place for place, _ in self._opened(purpose, sealed)), None)

    def _opened(self, purpose: str, sealed: bytes) -> Iterator[tuple[int, bytes]]:
        for place, secret in enumerate(self._secrets):
            try:
                key = AESGCM(_derive(secret, purpose))
                yield place, key.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
            except (InvalidTag, ValueError):  # ValueError: too short for a nonce
                continue

    def keys(self, purpose: str) -> tuple[bytes, ...]:
        """Return 32 bytes from each secret, newest first, for a library that encrypts by itself."""
        return tuple(_derive(secret, purpose) for secret in self._secrets)

    def fingerprint(self, purpose: str, value: str) -> str:
        """Replace a value by one that tells equal from different and nothing else."""
        return hmac.new(_derive(self._secrets[0], purpose), value.encode(), sha256).hexdigest()


@lru_cache(maxsize=64)
def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"carboy/" + purpose.encode()).derive(secret)


def digest(secret: str) -> str:
    """Hash a random secret of 112 bits or more for storage (OWASP ASVS 5.0, 6.5.2: a plain hash suffices)."""
    return sha256(secret.encode()).hexdigest()
