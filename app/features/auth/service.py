"""The door of auth."""

from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.auth import identity, keys, personal, sessions, throttle, tokens
from app.features.auth.identity import Me, change_me, identify, me
from app.features.auth.keys import ensure as ensure_keys
from app.features.auth.keys import public_keys, reencrypt
from app.features.auth.keys import rotate as rotate_keys
from app.features.auth.personal import end_links, erase, forget_ended_sessions, forget_expired_links, held_of
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

__all__ = [
    "AccountDisabled",
    "InvalidCode",
    "InvalidCredentials",
    "Me",
    "RefreshTokenReused",
    "SessionView",
    "TokenPair",
    "TooManyAttempts",
    "WrongPassword",
    "admit",
    "change_me",
    "change_password",
    "connect",
    "create_administrator",
    "end_links",
    "ensure_keys",
    "erase",
    "forget_ended_sessions",
    "forget_expired_links",
    "forget_old_guesses",
    "held_of",
    "identify",
    "list_sessions",
    "login",
    "logout",
    "make_setup_code",
    "me",
    "public_keys",
    "reencrypt",
    "refresh",
    "register",
    "revoke_all",
    "revoke_one",
    "revoke_others",
    "revoke_sessions_of",
    "rotate_keys",
    "set_up",
]


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn the settings; once, during assembly."""
    identity.connect(settings)
    keys.connect(settings, keyring)
    personal.connect(settings)
    sessions.connect(settings)
    throttle.connect(settings, keyring)
    tokens.connect(settings)
