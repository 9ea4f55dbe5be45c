"""The two ceremonies of WebAuthn (W3C, Level 3, 7.1 and 7.2): what is asked of a browser, and whether its answer holds.

Nothing here knows the database. Host and origin are those of PUBLIC_URL, never of a request.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

import webauthn
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import helpers
from webauthn.helpers import structs
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.registration.verify_registration_response import VerifiedRegistration

from app.core.config import Settings
from app.core.errors import Invalid
from app.features.factors.schemas import Assertion, Attestation, FromBrowser

log = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS = 300
"""How long a browser has for a ceremony."""

_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_RSA_BITS = 2048
_ID_BYTES = 1023
_DEFAULT_PORTS = {"http": 80, "https": 443}

_rp_id = _rp_name = _origin = ""


class MalformedPasskey(Invalid):
    """What came is not what a browser gives."""

    message = "This is not the JSON form of a public key credential."


class Refused(Exception):
    """An answer that is well formed and proves nothing. Callers say so in their own words."""


@dataclass(frozen=True, slots=True)
class Known:
    """A key as it is stored: what its next answer is checked against."""

    credential_id: bytes
    public_key: bytes
    transports: Iterable[str]


@dataclass(frozen=True, slots=True)
class Signed:
    """What a right assertion says: how often the authenticator signed, and whether the key is in a shared keychain."""

    sign_count: int
    backed_up: bool


def connect(settings: Settings) -> None:
    """Learn for which host and origin keys are, and what they are called by."""
    global _rp_id, _rp_name, _origin  # noqa: PLW0603 -- set once during assembly
    parts = urlsplit(settings.base_url)
    _rp_id = (parts.hostname or "").encode("idna").decode()
    host = f"[{_rp_id}]" if ":" in _rp_id else _rp_id
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    _rp_name, _origin = settings.service_name, f"{parts.scheme}://{host}{port}"


def handle_of(user_id: int, created_at: datetime) -> bytes:
    """Return the user handle (WebAuthn, 14.6.1): opaque, always the same, and of no use to who does not know both.

    The time keeps apart two installations on one host name: an authenticator has one passkey for each handle.
    """
    return sha256(f"carboy passkey {user_id} {created_at.isoformat()}".encode()).digest()


def creation_options(*, challenge: bytes, handle: bytes, name: str, title: str, known: list[Known]) -> dict[str, Any]:
    """Return what ``navigator.credentials.create()`` is given: a discoverable key, used after user verification."""
    options = webauthn.generate_registration_options(
        rp_id=_rp_id,
        rp_name=_rp_name,
        user_id=handle,
        user_name=name,
        user_display_name=title,
        challenge=challenge,
        timeout=SECONDS * 1000,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_described(key) for key in known],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return helpers.options_to_json_dict(options)


def request_options(*, challenge: bytes, known: list[Known]) -> dict[str, Any]:
    """Return what ``navigator.credentials.get()`` is given; with no key named, the browser offers what it has."""
    options = webauthn.generate_authentication_options(
        rp_id=_rp_id,
        challenge=challenge,
        timeout=SECONDS * 1000,
        allow_credentials=[_described(key) for key in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return helpers.options_to_json_dict(options)


def challenge_in(answer: Attestation | Assertion) -> bytes:
    """Return the challenge that an answer claims to be for; raise MalformedPasskey if it is none at all."""
    return _parsed(lambda: _client_data(answer).challenge)


def check_attestation(attestation: Attestation) -> None:
    """Raise MalformedPasskey unless all parts of it can be read."""
    _parsed(lambda: _read_attestation(attestation))


def credential_id_in(assertion: Assertion) -> bytes:
    """Return which key an assertion claims to be of; raise MalformedPasskey unless all parts of it can be read."""
    return _parsed(lambda: _read_assertion(assertion))


def verify_attestation(attestation: Attestation, *, challenge: bytes) -> VerifiedRegistration:
    """Return the key that a browser made for us, or raise Refused. Who made the authenticator is not asked."""

    def verify() -> VerifiedRegistration:
        made = webauthn.verify_registration_response(
            credential=_wire(attestation),
            expected_challenge=challenge,
            expected_rp_id=_rp_id,
            expected_origin=_origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        _refuse_if(_client_data(attestation).cross_origin, "in a frame of another origin")
        _refuse_if(len(made.credential_id) > _ID_BYTES, "longer than the standard allows")
        _refuse_if(not _is_strong(made.credential_public_key), "not a key that was asked for")
        return made

    return _proven(verify)


def verify_assertion(assertion: Assertion, *, challenge: bytes, public_key: bytes, handle: bytes) -> Signed:
    """Return what the owner of a key signed, or raise Refused.

    The counter is left to who stores it: only in the database can it be compared and set at once.
    """

    def verify() -> Signed:
        signed = webauthn.verify_authentication_response(
            credential=_wire(assertion),
            expected_challenge=challenge,
            expected_rp_id=_rp_id,
            expected_origin=_origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        _refuse_if(_client_data(assertion).cross_origin, "in a frame of another origin")
        given = assertion.response.user_handle
        _refuse_if(given and helpers.base64url_to_bytes(given) != handle, "another's handle")
        return Signed(signed.new_sign_count, signed.credential_backed_up)

    return _proven(verify)


def _described(key: Known) -> structs.PublicKeyCredentialDescriptor:
    spoken = {transport.value for transport in structs.AuthenticatorTransport}
    transports = [structs.AuthenticatorTransport(word) for word in key.transports if word in spoken]
    return structs.PublicKeyCredentialDescriptor(id=key.credential_id, transports=transports)


def _wire(answer: FromBrowser) -> dict[str, Any]:
    return answer.model_dump(by_alias=True)


def _client_data(answer: Attestation | Assertion) -> structs.CollectedClientData:
    return helpers.parse_client_data_json(helpers.base64url_to_bytes(answer.response.client_data_json))


def _read_attestation(attestation: Attestation) -> None:
    credential = helpers.parse_registration_credential_json(_wire(attestation))
    helpers.parse_attestation_object(credential.response.attestation_object)
    _refuse_if(helpers.bytes_to_base64url(credential.raw_id) != credential.id, "two ids")


def _read_assertion(assertion: Assertion) -> bytes:
    credential = helpers.parse_authentication_credential_json(_wire(assertion))
    helpers.parse_authenticator_data(credential.response.authenticator_data)
    _refuse_if(helpers.bytes_to_base64url(credential.raw_id) != credential.id, "two ids")
    return credential.raw_id


def _is_strong(public_key: bytes) -> bool:
    """Tell whether a key is one of those we asked for: the library compares the algorithm's number only."""
    decoded = helpers.decode_credential_public_key(public_key)
    key = helpers.decoded_public_key_to_cryptography(decoded)
    if decoded.alg == COSEAlgorithmIdentifier.EDDSA:
        return isinstance(key, Ed25519PublicKey)
    if decoded.alg == COSEAlgorithmIdentifier.ECDSA_SHA_256:
        return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    return isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS


def _refuse_if(wrong: object, what: str) -> None:
    if wrong:
        raise Refused(what)


def _parsed(read: Callable[[], T]) -> T:
    """Read what strangers wrote. Parsers of CBOR, JSON and keys raise whatever they stumble over."""
    try:
        return read()
    except Exception as error:
        raise MalformedPasskey(details={"credential": ["This cannot be read."]}) from error


def _proven(verify: Callable[[], T]) -> T:
    """Check what strangers signed; whatever a verifier stumbles over proves nothing either."""
    try:
        return verify()
    except Exception as error:
        log.info("a passkey was refused", extra={"reason": type(error).__name__})
        raise Refused from error
