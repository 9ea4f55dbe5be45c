"""The form of a key: ``ak_<12 id>_<43 secret>_<6 checksum>``.

The prefix and the checksum let scanners of leaked secrets know a key from noise, and let us refuse typing errors
before anything is looked up. The checksum is no protection: whoever knows the secret can compute it.
"""

import re
import secrets
import string
import zlib

PREFIX = "ak_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _CHECKSUM_LENGTH = 12, 6
_SECRET_BYTES = 32
_FORM = re.compile(r"(ak_[0-9A-Za-z]{12})_[A-Za-z0-9_-]{43}_[0-9A-Za-z]{6}", re.ASCII)


def make() -> tuple[str, str]:
    """Return a new prefix, which finds the key and may be shown, and the whole secret that it begins."""
    prefix = PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(_ID_LENGTH))
    body = f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return prefix, f"{body}_{_checksum(body)}"


def prefix_of(secret: str) -> str | None:
    """Return the prefix of what has the form of a key and the right checksum, else None."""
    found = _FORM.fullmatch(secret)
    body, checksum = secret[: -_CHECKSUM_LENGTH - 1], secret[-_CHECKSUM_LENGTH:]
    return found[1] if found is not None and _checksum(body) == checksum else None


def _checksum(body: str) -> str:
    """Return the CRC32 in base 62, six digits."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
