"""The door of auth."""

from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.auth import identity, keys, registration, sessions, signin, throttle, tokens
from app.features.auth.addresses import confirm_email_change, request_email_change, undo_email_change
from app.features.auth.identity import Me, change_me, identify, me
from app.features.auth.keys import ensure as ensure_keys
from app.features.auth.keys import public_keys
from app.features.auth.keys import rotate as rotate_keys
from app.features.auth.links import InvalidLink
from app.features.auth.links import forget_old as forget_old_links
from app.features.auth.recovery import forgot_password, reset_password, welcome
from app.features.auth.registration import (
    InvalidCode,
    create_administrator,
    make_setup_code,
    register,
    set_up,
)
from app.features.auth.sessions import (
    SessionView,
    list_sessions,
    revoke_all,
    revoke_one,
    revoke_others,
    revoke_sessions_of,
)
from app.features.auth.signin import (
    AccountDisabled,
    EmailNotVerified,
    InvalidCredentials,
    WrongPassword,
    admit,
    change_password,
    login,
    logout,
)
from app.features.auth.throttle import TooManyAttempts
from app.features.auth.throttle import forget_old as forget_old_guesses
from app.features.auth.tokens import RefreshTokenReused, TokenPair, refresh
from app.features.auth.verification import Pending, resend_verification, verify_email

__all__ = [
    "AccountDisabled",
    "EmailNotVerified",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidLink",
    "Me",
    "Pending",
    "RefreshTokenReused",
    "SessionView",
    "TokenPair",
    "TooManyAttempts",
    "WrongPassword",
    "admit",
    "change_me",
    "change_password",
    "confirm_email_change",
    "connect",
    "create_administrator",
    "ensure_keys",
    "forget_old_guesses",
    "forget_old_links",
    "forgot_password",
    "identify",
    "list_sessions",
    "login",
    "logout",
    "make_setup_code",
    "me",
    "public_keys",
    "refresh",
    "register",
    "request_email_change",
    "resend_verification",
    "reset_password",
    "revoke_all",
    "revoke_one",
    "revoke_others",
    "revoke_sessions_of",
    "rotate_keys",
    "set_up",
    "undo_email_change",
    "verify_email",
    "welcome",
]


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn the settings; once, during assembly."""
    identity.connect(settings)
    keys.connect(settings, keyring)
    registration.connect(settings)
    sessions.connect(settings)
    signin.connect(settings)
    throttle.connect(settings, keyring)
    tokens.connect(settings)
