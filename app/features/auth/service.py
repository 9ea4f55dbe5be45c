"""The door of auth."""

from app.core.caller import Caller
from app.core.config import Settings
from app.core.keyring import Keyring
from app.features.api_keys import service as api_keys
from app.features.auth import identity, keys, personal, registration, sessions, signin, throttle, tokens
from app.features.auth.addresses import confirm_email_change, request_email_change, undo_email_change
from app.features.auth.attempts import WrongFactor
from app.features.auth.identity import Me, change_me, me
from app.features.auth.impersonation import AdministratorProtected, Impersonation, InactiveAccount, OwnAccount
from app.features.auth.impersonation import start as impersonate
from app.features.auth.keys import ensure as ensure_keys
from app.features.auth.keys import public_keys, reencrypt, signer
from app.features.auth.keys import rotate as rotate_keys
from app.features.auth.links import InvalidLink
from app.features.auth.methods import PROVIDER
from app.features.auth.mfa_tokens import SecondStep
from app.features.auth.once import Spent
from app.features.auth.once import keep as keep_code
from app.features.auth.once import spend as spend_code
from app.features.auth.passkeys import (
    InvalidPasskey,
    LastWayIn,
    PasskeyRefused,
    also_signs_in,
    begin_passkey,
    finish_passkey,
    list_passkeys,
    login_with_passkey,
    passkey_challenge,
    remove_passkey,
    rename_passkey,
)
from app.features.auth.personal import end_links, erase, forget_ended_sessions, forget_expired_links, held_of
from app.features.auth.proofs import Proof
from app.features.auth.reauthentication import Reauthenticated, reauthenticate
from app.features.auth.recovery import forgot_password, reset_password, welcome, when_reclaimed
from app.features.auth.registration import (
    InvalidCode,
    create_administrator,
    make_setup_code,
    register,
    set_up,
)
from app.features.auth.schemas import SecondStepOut, TokenPairOut
from app.features.auth.second_factor import (
    LastFactor,
    NoSecondFactor,
    RecoveryCodes,
    begin_totp,
    confirm_totp,
    holdings_of,
    remove_totp,
    renew_recovery_codes,
)
from app.features.auth.second_factor import reset as reset_second_factor
from app.features.auth.second_factor import reset_of as reset_second_factor_of
from app.features.auth.second_step import InvalidMfaCode, finish_login
from app.features.auth.sessions import (
    SessionView,
    count_active,
    is_live,
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
from app.features.auth.throttle import pay_back as pay_back_guesses
from app.features.auth.tokens import RefreshTokenReused, TokenPair, refresh
from app.features.auth.verification import Pending, resend_verification, send_verification, verify_email

__all__ = [
    "PROVIDER",
    "AccountDisabled",
    "AdministratorProtected",
    "EmailNotVerified",
    "Impersonation",
    "InactiveAccount",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidLink",
    "InvalidMfaCode",
    "InvalidPasskey",
    "LastFactor",
    "LastWayIn",
    "Me",
    "NoSecondFactor",
    "OwnAccount",
    "PasskeyRefused",
    "Pending",
    "Proof",
    "Reauthenticated",
    "RecoveryCodes",
    "RefreshTokenReused",
    "SecondStep",
    "SecondStepOut",
    "SessionView",
    "Spent",
    "TokenPair",
    "TokenPairOut",
    "TooManyAttempts",
    "WrongFactor",
    "WrongPassword",
    "admit",
    "also_signs_in",
    "begin_passkey",
    "begin_totp",
    "change_me",
    "change_password",
    "confirm_email_change",
    "confirm_totp",
    "connect",
    "count_active",
    "create_administrator",
    "end_links",
    "ensure_keys",
    "erase",
    "finish_login",
    "finish_passkey",
    "forget_ended_sessions",
    "forget_expired_links",
    "forget_old_guesses",
    "forgot_password",
    "held_of",
    "holdings_of",
    "identify",
    "impersonate",
    "is_live",
    "keep_code",
    "list_passkeys",
    "list_sessions",
    "login",
    "login_with_passkey",
    "logout",
    "make_setup_code",
    "me",
    "passkey_challenge",
    "pay_back_guesses",
    "public_keys",
    "reauthenticate",
    "reencrypt",
    "refresh",
    "register",
    "remove_passkey",
    "remove_totp",
    "rename_passkey",
    "renew_recovery_codes",
    "request_email_change",
    "resend_verification",
    "reset_password",
    "reset_second_factor",
    "reset_second_factor_of",
    "revoke_all",
    "revoke_one",
    "revoke_others",
    "revoke_sessions_of",
    "rotate_keys",
    "send_verification",
    "set_up",
    "signer",
    "spend_code",
    "undo_email_change",
    "verify_email",
    "welcome",
    "when_reclaimed",
]


def identify(token: str) -> Caller:
    """Return who a bearer token stands for at this moment, an access token or an API key; or raise InvalidToken."""
    return api_keys.identify(token) if token.startswith(api_keys.PREFIX) else identity.identify(token)


def connect(settings: Settings, keyring: Keyring) -> None:
    """Learn the settings; once, during assembly."""
    identity.connect(settings)
    keys.connect(settings, keyring)
    registration.connect(settings)
    personal.connect(settings)
    sessions.connect(settings)
    signin.connect(settings)
    throttle.connect(settings, keyring)
    tokens.connect(settings)
