"""The door of auth."""

from app.core.caller import Caller
from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.api_keys import service as api_keys
from app.features.auth import identity, keys, sessions, throttle, tokens
from app.features.auth.identity import Me, change_me, me
from app.features.auth.impersonation import AdministratorProtected, Impersonation, InactiveAccount, OwnAccount
from app.features.auth.impersonation import start as impersonate
from app.features.auth.keys import ensure as ensure_keys
from app.features.auth.keys import public_keys
from app.features.auth.keys import rotate as rotate_keys
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
    "AdministratorProtected",
    "Impersonation",
    "InactiveAccount",
    "InvalidCode",
    "InvalidCredentials",
    "Me",
    "OwnAccount",
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
    "ensure_keys",
    "forget_old_guesses",
    "identify",
    "impersonate",
    "list_sessions",
    "login",
    "logout",
    "make_setup_code",
    "me",
    "public_keys",
    "refresh",
    "register",
    "revoke_all",
    "revoke_one",
    "revoke_others",
    "revoke_sessions_of",
    "rotate_keys",
    "set_up",
]


def identify(token: str) -> Caller:
    """Return who a bearer token stands for at this moment, an access token or an API key; or raise InvalidToken."""
    return api_keys.identify(token) if token.startswith(api_keys.PREFIX) else identity.identify(token)


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn the settings; once, during assembly."""
    identity.connect(settings)
    keys.connect(settings, keyring)
    sessions.connect(settings)
    throttle.connect(settings, keyring)
    tokens.connect(settings)
