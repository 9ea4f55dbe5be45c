"""The door of factors."""

from app.core.config import Settings
from app.features.factors import ceremonies, totp
from app.features.factors.ceremonies import MalformedPasskey, Refused, challenge_in, check_attestation
from app.features.factors.holdings import Holdings, holdings_of, methods_of, remove_all, remove_passkeys
from app.features.factors.passkeys import (
    Claimed,
    PasskeyTaken,
    PasskeyView,
    TooManyPasskeys,
    add_passkey,
    count_users_with_passkey,
    find_claimed,
    has_passkey,
    list_passkeys,
    registration_options,
    remove_passkey,
    rename_passkey,
    sign_in_options,
    use_passkey,
)
from app.features.factors.personal import erase, held_of
from app.features.factors.recovery import remove_recovery_codes, renew_recovery_codes, use_recovery_code
from app.features.factors.schemas import Assertion, Attestation, CreationOptionsOut, PasskeyOut, RequestOptionsOut
from app.features.factors.totp import (
    Enrolment,
    TotpEnrolled,
    TotpNotBegun,
    begin_totp,
    confirm_totp,
    remove_totp,
    verify_totp,
)

__all__ = [
    "Assertion",
    "Attestation",
    "Claimed",
    "CreationOptionsOut",
    "Enrolment",
    "Holdings",
    "MalformedPasskey",
    "PasskeyOut",
    "PasskeyTaken",
    "PasskeyView",
    "Refused",
    "RequestOptionsOut",
    "TooManyPasskeys",
    "TotpEnrolled",
    "TotpNotBegun",
    "add_passkey",
    "begin_totp",
    "challenge_in",
    "check_attestation",
    "confirm_totp",
    "connect",
    "count_users_with_passkey",
    "erase",
    "find_claimed",
    "has_passkey",
    "held_of",
    "holdings_of",
    "list_passkeys",
    "methods_of",
    "registration_options",
    "remove_all",
    "remove_passkey",
    "remove_passkeys",
    "remove_recovery_codes",
    "remove_totp",
    "rename_passkey",
    "renew_recovery_codes",
    "sign_in_options",
    "use_passkey",
    "use_recovery_code",
    "verify_totp",
]


def connect(settings: Settings) -> None:
    """Learn what authenticators call this service, and for which host passkeys are; once, during assembly."""
    totp.connect(settings)
    ceremonies.connect(settings)
