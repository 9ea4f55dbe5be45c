"""Tokens as nobody but the service should make them."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey

from app.features.auth import keys

Json = dict[str, Any]


def header_of(token: str | None) -> Json:
    """Read the header of a token without checking it."""
    return _part(token, 0)


def claims_of(token: str | None) -> Json:
    """Read the claims of a token without checking it."""
    return _part(token, 1)


def our_key() -> ECKey:
    """Return the key that signs at this moment."""
    return keys.signer().active


def signed(header: object, claims: object, key: ECKey | None = None) -> str:
    """Sign whatever this is with ES256: with the service's own key unless another is given."""
    message = f"{_encoded(header)}.{_encoded(claims)}"
    private = (key or our_key()).private_key
    assert isinstance(private, EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(message.encode(), ECDSA(SHA256())))
    return f"{message}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def changed(token: str | None, *, header: Json | None = None, without: str = "", **claims: Any) -> str:
    """Return a token that differs in this and is signed by the service's own key all the same."""
    wanted = {name: value for name, value in {**claims_of(token), **claims}.items() if name != without}
    return signed({**header_of(token), **(header or {})}, wanted)


def base64url(data: bytes) -> str:
    """Encode as the parts of a token are (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encoded(part: object) -> str:
    return base64url(json.dumps(part).encode())


def _part(token: str | None, place: int) -> Json:
    assert token is not None
    part = token.split(".")[place]
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
