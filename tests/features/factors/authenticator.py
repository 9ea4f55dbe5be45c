"""An authenticator in software, with the browser around it: does what the standard says unless told otherwise."""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

Json = dict[str, Any]
Kind = Literal["ES256", "EdDSA", "RS256"]

ORIGIN, HOST = "http://carboy.test", "carboy.test"
UP, UV, BE, BS, AT = 1, 4, 8, 16, 64


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "===")


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@dataclass
class Key:
    """A private key that never leaves, and its public part as COSE says it."""

    cose: dict[int, Any]
    sign: Callable[[bytes], bytes]


def es256(curve: ec.EllipticCurve | None = None, cose_curve: int = 1) -> Key:
    private = ec.generate_private_key(curve or ec.SECP256R1())
    public, size = private.public_key().public_numbers(), (private.key_size + 7) // 8
    x, y = public.x.to_bytes(size, "big"), public.y.to_bytes(size, "big")
    return Key({1: 2, 3: -7, -1: cose_curve, -2: x, -3: y}, lambda data: private.sign(data, ec.ECDSA(hashes.SHA256())))


def eddsa() -> Key:
    private = ed25519.Ed25519PrivateKey.generate()
    return Key({1: 1, 3: -8, -1: 6, -2: private.public_key().public_bytes_raw()}, private.sign)


def rs256(bits: int = 2048) -> Key:
    private = rsa.generate_private_key(65537, bits)
    public = private.public_key().public_numbers()
    return Key(
        {1: 3, 3: -257, -1: number(public.n), -2: number(public.e)},
        lambda data: private.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    )


KINDS: dict[Kind, Callable[[], Key]] = {"ES256": es256, "EdDSA": eddsa, "RS256": rs256}


@dataclass
class Authenticator:
    """Holds one key. Its fields are what a test may bend."""

    key: Key = field(default_factory=es256)
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    handle: bytes | None = None
    count: int = 0
    counts: bool = False
    origin: str = ORIGIN
    host: str = HOST
    flags: int = UP | UV
    cross_origin: bool = False
    kind: str = ""
    transports: tuple[str, ...] = ("internal", "hybrid")

    def create(self, options: Json) -> Json:
        """Answer ``navigator.credentials.create()``."""
        self.handle = unb64(options["user"]["id"])
        key = cbor2.dumps(self.key.cose)
        made = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key
        data = self._data(self.flags | AT) + made
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=b64(self._client_data("webauthn.create", options)),
            attestationObject=b64(attestation),
            transports=list(self.transports),
            publicKeyAlgorithm=-7,
        )

    def get(self, options: Json) -> Json:
        """Answer ``navigator.credentials.get()``."""
        self.count += self.counts
        client_data, data = self._client_data("webauthn.get", options), self._data(self.flags)
        handle = {} if self.handle is None else {"userHandle": b64(self.handle)}
        return self._answer(
            clientDataJSON=b64(client_data),
            authenticatorData=b64(data),
            signature=b64(self.key.sign(data + sha256(client_data).digest())),
            **handle,
        )

    def _data(self, flags: int) -> bytes:
        return sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: Json) -> bytes:
        said = {"type": self.kind or kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps({**said, "crossOrigin": self.cross_origin}).encode()

    def _answer(self, **response: Any) -> Json:
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "response": response,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
        }
