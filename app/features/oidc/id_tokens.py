"""Reading the ID token of a provider (OpenID Connect Core 1.0, 3.1.3.7).

joserfc checks who signed it, Authlib what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped] # Authlib has no types
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from app.core import clock
from app.core.errors import Unauthenticated

Claims = Mapping[str, Any]

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures with a key pair only: neither ``none`` nor a MAC, for which a public key might pass as the secret."""

_PUBLIC_TYPES = frozenset({"RSA", "EC", "OKP"})
_LEEWAY_SECONDS = 60


class ProviderAnswerInvalid(Unauthenticated):
    """What came back from the provider is forged, expired, for somebody else, or of another sign-in."""

    code = "PROVIDER_ANSWER_INVALID"
    message = "The provider's answer does not belong to this sign-in. Begin again."


class KeyUnknown(ProviderAnswerInvalid):
    """No key of the set is named in the token."""


def read(
    token: object,
    *,
    keys: Sequence[Mapping[str, Any]],
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
) -> Claims:
    """Return the claims of a token that this issuer made for us, for this sign-in, now; else raise."""
    if not isinstance(token, str) or not token.isascii():
        raise ProviderAnswerInvalid
    try:
        header = jws.extract_compact(token.encode()).headers()
        checked = jws.deserialize_compact(token, _key_of(header, keys), algorithms=list(_ALGORITHMS))
        claims = orjson.loads(checked.payload)
        CodeIDToken(
            claims,
            header,
            options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
            params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
        ).validate(now=int(clock.now().timestamp()), leeway=_LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:  # whatever a stranger may write
        raise ProviderAnswerInvalid from error
    found: Claims = claims
    return found


def _key_of(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Key:
    """Return the key that a token names; where it names none there must be one only. The token's own do not count."""
    signing = [key for key in keys if key.get("kty") in _PUBLIC_TYPES and key.get("use", "sig") == "sig"]
    named = [key for key in signing if key.get("kid") == header["kid"]] if "kid" in header else signing
    fitting = [key for key in named if key.get("alg", header["alg"]) == header["alg"]]
    if len(fitting) != 1:
        raise KeyUnknown
    return import_key(dict(fitting[0]))
