"""Enrolling and removing second factors, and what follows from it."""

from dataclasses import dataclass, field

from app.core.caller import Caller
from app.core.errors import Conflict, NotFound
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, sessions, throttle
from app.features.auth.attempts import WrongFactor, failed
from app.features.auth.methods import MFA, ONE_TIME_PASSWORD
from app.features.factors import service as factors
from app.features.mail import service as mail

_TOTP = "totp"


class LastFactor(Conflict):
    """A role demands a second factor, and this is the last one."""

    code = "LAST_FACTOR"
    message = "Your role needs a second factor. Add another one first."


class NoSecondFactor(Conflict):
    """Recovery codes stand in for a factor, and there is none."""

    code = "NO_SECOND_FACTOR"
    message = "You have no second factor. Enrol one first."


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """New codes, shown once."""

    recovery_codes: list[str] = field(repr=False)


def begin_totp(*, caller: Caller) -> factors.Enrolment:
    """Return a new secret for the caller's authenticator; it counts once it is confirmed."""
    user = identity.profile_of(caller)
    accounts.lock_credentials(user.id)
    return factors.begin_totp(user.id, label=user.email)


def confirm_totp(*, caller: Caller, code: str) -> RecoveryCodes:
    """Enrol the authenticator that shows this code; return new recovery codes. The present session has proven it."""
    user = identity.profile_of(caller)
    guesses = throttle.second_factor(user.id, within=f"session {caller.session_id}")
    throttle.reserve(guesses)
    accounts.lock_credentials(user.id)
    if not factors.confirm_totp(user.id, code):
        raise failed(WrongFactor(), user.id)
    throttle.release(guesses)
    if caller.session_id is not None:
        sessions.strengthen(caller.session_id, methods=[ONE_TIME_PASSWORD, MFA])
    changed(user, enrolled=True, factor=_TOTP, what="An authenticator app was added.", keep=caller)
    return RecoveryCodes(factors.renew_recovery_codes(user.id))


def remove_totp(*, caller: Caller) -> None:
    """Forget the caller's authenticator; raise LastFactor if their role needs one and there is no other."""
    user = identity.profile_of(caller)
    accounts.lock_credentials(user.id)
    held = factors.holdings_of(user.id)
    if not held.totp and not held.totp_begun:
        raise NotFound
    factors.remove_totp(user.id)
    if held.totp:
        refuse_to_be_without(caller, user)
        changed(user, enrolled=False, factor=_TOTP, what="The authenticator app was removed.", keep=caller)


def renew_recovery_codes(*, caller: Caller) -> RecoveryCodes:
    """Return new recovery codes in place of the old ones; raise NoSecondFactor if there is nothing to recover."""
    user = identity.profile_of(caller)
    accounts.lock_credentials(user.id)
    if not factors.holdings_of(user.id).any:
        raise NoSecondFactor
    codes = RecoveryCodes(factors.renew_recovery_codes(user.id))
    audit.record("mfa_enrolled", target=("user", user.id), detail={"factor": "recovery_codes"})
    _tell(user, "New recovery codes were made. The old ones no longer work.")
    return codes


def holdings_of(caller: Caller) -> factors.Holdings:
    """Return which factors the caller has."""
    return factors.holdings_of(identity.profile_of(caller).id)


def reset(*, user_id: int, by: Caller) -> bool:
    """Remove every factor of somebody who lost theirs, and end their sessions; tell whether there was any.

    Whoever asks must know that it is them: nothing here can.
    """
    accounts.get_user(user_id, by=by)
    access.refuse_to_overrule(user_id, by=by)
    user = accounts.lock_user(user_id)
    if user is None or not factors.holdings_of(user_id).any:
        return False
    factors.remove_all(user_id)
    if by.user_id == user_id:
        refuse_to_be_without(by, user)
    changed(user, enrolled=False, factor="all", what="An administrator removed your second factors.")
    return True


def reset_of(name: str, *, by: Caller) -> bool:
    """As ``reset``, of whoever signs in under this name; raise NotFound if nobody does."""
    user_id = accounts.find_credentials(name).user_id
    if user_id is None:
        raise NotFound("There is no such user.")
    return reset(user_id=user_id, by=by)


def changed(user: accounts.Profile, *, enrolled: bool, factor: str, what: str, keep: Caller | None = None) -> None:
    """Do what follows from every change of factors, so that an owner who did not make it learns of it and stops it.

    Call it after the change and under the user's lock. All sessions but the present one of ``keep`` end.
    """
    has_factor = factors.holdings_of(user.id).any
    if not has_factor:
        factors.remove_recovery_codes(user.id)
    accounts.set_mfa_enabled(user.id, enabled=has_factor)
    audit.record("mfa_enrolled" if enrolled else "mfa_removed", target=("user", user.id), detail={"factor": factor})
    sessions.revoke_all(user_id=user.id, reason="factor_change", keep=keep.session_id if keep else None)
    _tell(user, what)


def refuse_to_be_without(caller: Caller, user: accounts.Profile) -> None:
    """Raise LastFactor if a role of the caller demands a second factor and this user has none left."""
    if identity.needs_second_factor(caller) and not factors.holdings_of(user.id).any:
        raise LastFactor


def _tell(user: accounts.Profile, what: str) -> None:
    mail.send("second_factor_changed", to=user.email, user_id=user.id, context={"what": what})
