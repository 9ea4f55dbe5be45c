"""Signing in with a password, signing out, and changing the password.

A right password that a second factor must follow is no success yet. Its reservations are given back, since it was no
wrong guess and the owner may try again; the counters of wrong ones are cleared only when the second factor is proven.
"""

from app.core import identifiers
from app.core.caller import Caller
from app.core.config import Settings
from app.core.errors import Forbidden, InvalidToken, Unauthenticated
from app.core.signing import REFRESH, Signer
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, keys, links, mfa_tokens, notices, sessions, throttle, tokens
from app.features.auth.attempts import failed
from app.features.auth.methods import PASSWORD
from app.features.auth.mfa_tokens import SecondStep
from app.features.auth.tokens import TokenPair
from app.infra import db
from app.web.caller import ImpersonationForbids


class InvalidCredentials(Unauthenticated):
    """No such account, or not its password: one answer for both."""

    code = "INVALID_CREDENTIALS"
    message = "The name or the password is wrong."


class AccountDisabled(Forbidden):
    """Said only to those who know the password."""

    code = "ACCOUNT_DISABLED"
    message = "This account is disabled. Ask an administrator."


class EmailNotVerified(Forbidden):
    """Said only to those who proved who they are, but for their address."""

    code = "EMAIL_NOT_VERIFIED"
    message = "Prove your address first: follow the link in the mail, or ask for another at /auth/email/resend."


class WrongPassword(Forbidden):
    """The present password is not this one. Not 401, so that clients do not throw the session away."""

    code = "WRONG_PASSWORD"
    message = "The current password is wrong."


_verifies_email = False


def connect(settings: Settings) -> None:
    """Learn whether an address must be proven before its owner can sign in."""
    global _verifies_email  # noqa: PLW0603 -- set once during assembly
    _verifies_email = settings.verifies_email


def login(*, name: str, password: str) -> TokenPair | SecondStep:
    """Begin a session, or its second step, for who knows the password of an account, named by address or user name.

    The attempt is reserved before anything is hashed; unknown and wrong cost the same statements and one hashing.
    No connection is held meanwhile, and what was checked is checked again under a lock before the session begins.
    """
    credentials = accounts.find_credentials(name)
    account = f"user:{credentials.user_id}" if credentials.user_id else f"name:{identifiers.login_key(name)}"
    known_address = sessions.used_lately_from_here(credentials.user_id)
    guesses = throttle.sign_in(account, known_address=known_address)
    throttle.reserve(guesses)
    right, better_hash = accounts.check_password(credentials, password)
    user_id = credentials.user_id
    if not right or user_id is None:
        raise failed(InvalidCredentials(), user_id)
    if not credentials.is_active:
        raise failed(AccountDisabled(), user_id)
    if _verifies_email and not credentials.email_verified:
        db.after_rollback(lambda: throttle.release(guesses))  # the password was right
        raise failed(EmailNotVerified(), user_id)
    db.after_rollback(lambda: throttle.owe(guesses))
    signer = keys.signer()  # read now if need be: whoever holds a connection must not wait for a second one
    if not accounts.still_hold(credentials, password):
        raise failed(InvalidCredentials(), user_id)
    if better_hash:
        accounts.store_password(user_id=user_id, password_hash=better_hash, instead_of=credentials.password_hash)
    admitted = admit(user_id=user_id, methods=[PASSWORD], signer=signer)
    settle = throttle.refund if isinstance(admitted, SecondStep) else throttle.release
    settle(guesses)
    return admitted


def admit(*, user_id: int, methods: list[str], signer: Signer) -> TokenPair | SecondStep:
    """Begin a session for somebody who proved who they are, however they did; or the second step to one.

    Decided under the user's lock, so that whoever enrols a second factor at this moment ends what came before it.
    Take the signer from ``keys.signer()`` before the unit writes: who holds a connection must not wait for another.
    """
    user = _lock_welcome(user_id)
    return mfa_tokens.issue(user_id, methods=methods) if user.mfa_enabled else _begin(user, methods, signer)


def admit_fully(*, user_id: int, methods: list[str], signer: Signer) -> TokenPair:
    """Begin a session for somebody who proved two factors: ``methods`` holds "mfa". Otherwise as ``admit``."""
    return _begin(_lock_welcome(user_id), methods, signer)


def _lock_welcome(user_id: int) -> accounts.Profile:
    user = accounts.lock_user(user_id)
    if user is None or user.deleted_at is not None:
        raise InvalidCredentials
    if not user.is_active:
        raise AccountDisabled
    if _verifies_email and not user.email_verified:
        raise EmailNotVerified
    return user


def _begin(user: accounts.Profile, methods: list[str], signer: Signer) -> TokenPair:
    notices.new_device(user)
    return tokens.issue(sessions.start(user_id=user.id, methods=methods), user, signer)


def logout(*, access_token: str | None, refresh_token: str | None, scope: str) -> None:
    """End the session of either token, all others of its user, or all. A dead refresh token is no error (RFC 7009)."""
    owner = _owner_of(access_token, refresh_token)
    if owner is None or owner.user_id is None:
        return
    if owner.impersonator_id is not None and scope != "local":
        raise ImpersonationForbids
    if scope == "local" and owner.session_id is not None:
        if sessions.end(owner.session_id, reason="logout"):
            audit.record("authn_logout", target=("session", owner.session_id), actor=owner)
    else:
        keep = owner.session_id if scope == "others" else None
        sessions.revoke_all(user_id=owner.user_id, reason="logout", keep=keep, by=owner)


def change_password(*, caller: Caller, current: str, new: str) -> None:
    """Replace the caller's password and end all their other sessions. The present one counts as a guess."""
    profile = identity.profile_of(caller)
    user_id = profile.id
    credentials = accounts.credentials_of(user_id)
    guesses = throttle.sign_in(f"user:{user_id}", known_address=True)
    throttle.reserve(guesses)
    right, _ = accounts.check_password(credentials, current)
    if not right:
        raise _not_changed(user_id)
    db.after_rollback(lambda: throttle.release(guesses))  # the guess was right, whatever the new one is
    hints = (profile.email, profile.username)
    hashed = accounts.hash_new_password(new, hints=hints, field="new_password")
    if not accounts.store_password(user_id=user_id, password_hash=hashed, instead_of=credentials.password_hash):
        raise _not_changed(user_id)
    throttle.release(guesses)
    links.void(user_id, links.RESET, links.CHANGE)
    audit.record("authn_password_change", target=("user", user_id))
    sessions.revoke_all(user_id=user_id, reason="password_change", keep=caller.session_id)
    notices.password_changed(profile)


def _not_changed(user_id: int) -> WrongPassword:
    """As ``_failed``, for who is signed in and guesses the password."""
    target, detail = ("user", user_id), {"code": WrongPassword.code}
    db.after_rollback(
        lambda: audit.record("authn_password_change_fail", outcome="failure", target=target, detail=detail)
    )
    return WrongPassword()


def _owner_of(access_token: str | None, refresh_token: str | None) -> Caller | None:
    if access_token is None and refresh_token is None:
        raise Unauthenticated
    if access_token is not None:
        try:
            return identity.identify(access_token)
        except InvalidToken:
            if refresh_token is None:
                raise
    try:
        return sessions.owner(identity.session_id_of(keys.read(REFRESH, refresh_token or "")["sid"]))
    except InvalidToken:
        return None
