"""The door of factors."""

from app.core.config import Settings
from app.features.factors import totp
from app.features.factors.holdings import Holdings, holdings_of, methods_of, remove_all
from app.features.factors.recovery import remove_recovery_codes, renew_recovery_codes, use_recovery_code
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
    "Enrolment",
    "Holdings",
    "TotpEnrolled",
    "TotpNotBegun",
    "begin_totp",
    "confirm_totp",
    "connect",
    "holdings_of",
    "methods_of",
    "remove_all",
    "remove_recovery_codes",
    "remove_totp",
    "renew_recovery_codes",
    "use_recovery_code",
    "verify_totp",
]


def connect(settings: Settings) -> None:
    """Learn what authenticators call this service; once, during assembly."""
    totp.connect(settings)
