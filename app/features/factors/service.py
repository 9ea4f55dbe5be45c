"""The door of factors."""

from app.core.config import Settings
from app.features.factors import ceremonies
from app.features.factors.ceremonies import MalformedPasskey, Refused, challenge_in, check_attestation
from app.features.factors.passkeys import (
    Claimed,
    PasskeyTaken,
    PasskeyView,
    TooManyPasskeys,
    add_passkey,
    find_claimed,
    has_factor,
    has_passkey,
    list_passkeys,
    registration_options,
    remove_passkey,
    rename_passkey,
    sign_in_options,
    use_passkey,
)
from app.features.factors.schemas import Assertion, Attestation, CreationOptionsOut, PasskeyOut, RequestOptionsOut

__all__ = [
    "Assertion",
    "Attestation",
    "Claimed",
    "CreationOptionsOut",
    "MalformedPasskey",
    "PasskeyOut",
    "PasskeyTaken",
    "PasskeyView",
    "Refused",
    "RequestOptionsOut",
    "TooManyPasskeys",
    "add_passkey",
    "challenge_in",
    "check_attestation",
    "connect",
    "find_claimed",
    "has_factor",
    "has_passkey",
    "list_passkeys",
    "registration_options",
    "remove_passkey",
    "rename_passkey",
    "sign_in_options",
    "use_passkey",
]


def connect(settings: Settings) -> None:
    """Learn for which host passkeys are; once, during assembly."""
    ceremonies.connect(settings)
