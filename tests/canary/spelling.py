"""How a secret may be written, and where a text holds one."""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

_LEAST_LENGTH = 10
_LEAST_SIGNS = 6
_LONGEST, _PIECE = 150, 30  # of a token the end of its signature tells enough, also where it was cut
_OUR_CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")  # of a failure, as INVALID_TOKEN
_BASE32 = re.compile(r"[A-Z2-7]{16,}=*")
_GROUPED = re.compile(r"[A-Za-z0-9]{4,8}(?:[- ][A-Za-z0-9]{4,8})+")  # as recovery codes are shown
_SHORT_CODE = re.compile(r"[0-9]{6,8}")
_BESIDE = rb"[0-9A-Za-z._:+/=-]"
_GROUPS = 3  # base64 writes three bytes as four signs: what follows depends on how many bytes stand before


def is_unmistakable(value: str) -> bool:
    """Tell whether a text is found only where somebody put it: `wrong` and `secret` stand everywhere."""
    is_mixed = not value.isalpha() and not value.isdigit() and not _OUR_CODE.fullmatch(value)
    return len(value) >= _LEAST_LENGTH and len(set(value)) >= _LEAST_SIGNS and is_mixed


def is_short_code(value: str) -> bool:
    """Tell whether a text is such a code as an authenticator shows; those are looked for only as a whole word."""
    return _SHORT_CODE.fullmatch(value) is not None


@lru_cache(maxsize=8192)
def spellings(secret: str) -> frozenset[bytes]:
    """Return a secret in clear, escaped, in hex and in base64, and what it stands for if it is base32 or grouped."""
    if len(secret) > _LONGEST:
        secret = secret[-_PIECE:]
    clear = secret.encode("utf-8", "surrogatepass")
    raw = {clear, quote(secret, errors="replace").encode()}
    raw |= {
        json.dumps(secret, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "replace") for ascii_only in (True, False)
    }
    plain = secret.replace("-", "").replace(" ", "")
    if _GROUPED.fullmatch(secret):
        raw |= {way.encode() for way in (plain, plain.lower(), plain.upper())}
    meant = _from_base32(plain.upper()) if _BASE32.fullmatch(plain.upper()) else b""
    encoded = {form for one in {clear, meant} - {b""} for form in (one, *_encodings(one))}
    return frozenset(raw | encoded)


def found_in(text: bytes, secrets: Iterable[str], codes: Iterable[str] = ()) -> list[str]:
    """Return the secrets that stand in a text, in whatever spelling; codes only between other signs than their own."""
    whole = [secret for secret in secrets if any(way in text for way in spellings(secret))]
    return whole + [code for code in codes if code.encode() in text and _stands_alone(code, text)]


def _stands_alone(code: str, text: bytes) -> bool:
    return re.search(rb"(?<!%b)%b(?!%b)" % (_BESIDE, code.encode(), _BESIDE), text) is not None


def _from_base32(text: str) -> bytes:
    try:
        return base64.b32decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 8))
    except binascii.Error:
        return b""


def _encodings(secret: bytes) -> Iterable[bytes]:
    yield secret.hex().encode()
    for before in range(_GROUPS):
        # The first and the last sign hold bits of the neighbours, so they are left out.
        written = base64.b64encode(bytes(before) + secret).rstrip(b"=")[before + (before > 0) : -1]
        yield written
        yield written.translate(bytes.maketrans(b"+/", b"-_"))
