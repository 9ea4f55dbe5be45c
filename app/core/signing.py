"""Signs and reads tokens: JWS ES256 (RFC 7515, 7518), keys by kid (RFC 7638), access tokens after RFC 9068.

One algorithm, given explicitly; ``typ`` keeps the kinds apart; issuer and audience are compared exactly; every
claim is required. Header parameters that bring a key (``jwk``, ``jku``, ``x5u``) or that must be understood
(``crit``) are refused.
"""

import base64
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Any, cast

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from app.core.errors import InvalidToken

ALGORITHM = "ES256"
CURVE = "P-256"
MAX_TOKEN_LENGTH = 4096
_CACHE_SIZE = 4096

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of token: its ``typ``, its audience, and the claims it must carry."""

    typ: str
    audience: str
    required: frozenset[str]


_COMMON = frozenset({"iss", "aud", "sub", "sid", "jti", "iat", "exp"})
ACCESS = Kind("at+jwt", "api", _COMMON)
REFRESH = Kind("rt+jwt", "refresh", _COMMON | {"gen"})


def generate_key() -> ECKey:
    """Make a key pair on P-256; its kid is its thumbprint."""
    return ECKey.generate_key(CURVE, private=True, auto_kid=True)


def read_key(pem: bytes) -> ECKey:
    """Read a private key; its kid is its thumbprint."""
    key = ECKey.import_key(pem)
    key.ensure_kid()
    return key


def public_jwk(key: ECKey) -> dict[str, Any]:
    """Return the public part as a JWK that says what it is for."""
    return {**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}


class Signer:
    """Signs with the active key; reads what any known key signed."""

    def __init__(self, *, issuer: str, active: ECKey, known: Iterable[ECKey]) -> None:
        self.issuer = issuer
        self.active = active
        self._known = {key.kid: key for key in (active, *known)}
        self._verified: OrderedDict[bytes, tuple[str, Claims]] = OrderedDict()
        self._lock = Lock()

    def knows(self, kid: str) -> bool:
        """Tell whether tokens of this key can be read."""
        return kid in self._known

    def known(self) -> list[ECKey]:
        """Return every key whose tokens can be read, the active one first."""
        return list(self._known.values())

    def sign(self, kind: Kind, claims: Claims) -> str:
        """Return the token of these claims. The same claims under the same key give the same token (RFC 6979).

        joserfc draws a fresh nonce for each signature; parallel refreshes must all return one token, which no
        table stores, so the signature is made here.
        """
        header = {"alg": ALGORITHM, "typ": kind.typ, "kid": self.active.kid}
        body = {"iss": self.issuer, "aud": kind.audience, **claims}
        signed = _base64url(orjson.dumps(header)) + b"." + _base64url(orjson.dumps(body))
        private = cast("EllipticCurvePrivateKey", self.active.private_key)
        r, s = decode_dss_signature(private.sign(signed, ECDSA(SHA256(), deterministic_signing=True)))
        return (signed + b"." + _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    def read(self, kind: Kind, token: str, *, now: float) -> Claims:
        """Return the claims of a token of this kind, else raise InvalidToken. ``now`` is in seconds."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken
        typ, claims = self._verify(token)
        if typ != kind.typ or claims.get("iss") != self.issuer or claims.get("aud") != kind.audience:
            raise InvalidToken
        if not kind.required <= claims.keys() or not _is_timely(claims, now):
            raise InvalidToken
        return claims

    def _verify(self, token: str) -> tuple[str, Claims]:
        """Check the signature; what was checked once is remembered (1 µs against 96), never its validity."""
        name = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.get(name)
        if found is None:
            found = self._decode(token)
            with self._lock:
                self._verified[name] = found
                if len(self._verified) > _CACHE_SIZE:
                    self._verified.popitem(last=False)
        return found

    def _decode(self, token: str) -> tuple[str, Claims]:
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            key = self._known.get(str(header.get("kid")))
            if key is None or set(header) != {"alg", "typ", "kid"}:
                raise InvalidToken
            checked = jws.deserialize_compact(token.encode("ascii"), key, algorithms=[ALGORITHM])
            claims = orjson.loads(checked.payload)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise InvalidToken from error
        if not isinstance(claims, dict):
            raise InvalidToken
        return str(header["typ"]), claims


def kid_of(token: str) -> str:
    """Read the kid of a token without believing it; empty when there is none."""
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError, KeyError):
        return ""
    return str(header.get("kid", ""))


def _is_timely(claims: Claims, now: float) -> bool:
    exp, iat = claims["exp"], claims["iat"]
    return isinstance(exp, int) and isinstance(iat, int) and iat - 5 <= now < exp


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
