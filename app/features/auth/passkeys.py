"""Passkeys (WebAuthn): registering them, signing in with one alone, proving one beside a password."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from app.core.caller import Caller
from app.core.errors import Conflict, Invalid, Unauthenticated
from app.core.ids import UUID
from app.core.paging import Page, PageRequest
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import challenges, identity, keys, mfa_tokens, second_factor, sessions, throttle
from app.features.auth.methods import MFA, PASSKEY, PRESENCE
from app.features.auth.signin import AccountDisabled, admit_fully
from app.features.auth.tokens import TokenPair
from app.features.factors import service as factors
from app.infra import db

_FACTOR = "passkey"


class InvalidPasskey(Unauthenticated):
    """Unknown key, wrong signature, foreign origin, spent challenge: one answer for all."""

    code = "INVALID_PASSKEY"
    message = "This passkey was not accepted. Ask for new options and try again, or sign in another way."


class PasskeyRefused(Invalid):
    """What the browser made is not a passkey for this service, or its challenge is spent."""

    code = "PASSKEY_REFUSED"
    message = "This passkey cannot be registered. Ask for new options and try again."


class LastWayIn(Conflict):
    """Without it nobody could sign in to this account any more."""

    code = "LAST_WAY_IN"
    message = "This is the only way to sign in to your account. Set a password or add another way first."


OtherWay = Callable[[int], bool]
_other_ways: list[OtherWay] = []


def also_signs_in(ask: OtherWay) -> None:
    """Let those above say that a user can sign in through them."""
    if ask not in _other_ways:
        _other_ways.append(ask)


def begin_passkey(*, caller: Caller) -> dict[str, Any]:
    """Return what the caller's browser needs to make a passkey."""
    user = identity.profile_of(caller)
    challenge = challenges.issue("passkey_register", user_id=user.id)
    return factors.registration_options(user, challenge=challenge)


def finish_passkey(*, caller: Caller, attestation: factors.Attestation, name: str) -> factors.PasskeyView:
    """Store the passkey that the caller's browser made. Their other sessions end; the present one proved it."""
    user = identity.profile_of(caller)
    factors.check_attestation(attestation)
    challenge = factors.challenge_in(attestation)
    if not challenges.spend("passkey_register", challenge, user_id=user.id):
        raise PasskeyRefused
    accounts.lock_credentials(user.id)
    try:
        added = factors.add_passkey(user_id=user.id, attestation=attestation, challenge=challenge, name=name)
    except factors.Refused as error:
        raise PasskeyRefused from error
    if caller.session_id is not None:
        sessions.strengthen(caller.session_id, methods=[PASSKEY, MFA])
    second_factor.changed(user, enrolled=True, factor=_FACTOR, what="A passkey was added.", keep=caller)
    return added


def passkey_challenge(*, mfa_token: str | None = None) -> dict[str, Any]:
    """Return what a browser needs to sign in: with any passkey of its own, or to finish the sign-in that waits.

    Raises InvalidToken if no sign-in waits under the token.
    """
    user_id = None if mfa_token is None else mfa_tokens.find(mfa_token).user_id
    challenge = challenges.issue("passkey_login", user_id=user_id)
    return factors.sign_in_options(challenge=challenge, user_id=user_id)


def login_with_passkey(*, assertion: factors.Assertion) -> TokenPair:
    """Begin a session for whoever holds a passkey and proved it to their device: two factors in one."""
    claimed = factors.find_claimed(assertion)
    guesses = throttle.from_address()
    throttle.reserve(guesses)
    signer = keys.signer()  # read now if need be: whoever holds a connection must not wait for a second one
    try:
        user_id = _admitted(claimed, assertion)
    except (InvalidPasskey, AccountDisabled) as error:
        _record_failure(error.code, None if claimed is None else claimed.user_id)
        raise
    throttle.release(guesses)
    return admit_fully(user_id=user_id, methods=[PASSKEY, PRESENCE, MFA], signer=signer)


def prove(*, user_id: int, assertion: Mapping[str, Any]) -> None:
    """Raise InvalidPasskey unless this user signed a challenge of ours just now; Invalid if it is no assertion at all.

    Call it before the unit writes, after ``throttle.reserve``.
    """
    try:
        read = factors.Assertion.model_validate(assertion)
    except ValidationError as error:
        raise factors.MalformedPasskey(details={"passkey": [factors.MalformedPasskey.message]}) from error
    claimed = factors.find_claimed(read)
    _check(claimed if claimed is not None and claimed.user_id == user_id else None, read)


def list_passkeys(*, caller: Caller, page: PageRequest) -> Page[factors.PasskeyView]:
    """Return the caller's passkeys, newest first."""
    return factors.list_passkeys(identity.profile_of(caller).id, page=page)


def rename_passkey(passkey_id: UUID, *, caller: Caller, name: str) -> factors.PasskeyView:
    """Call one of the caller's passkeys otherwise."""
    renamed = factors.rename_passkey(passkey_id, user_id=identity.profile_of(caller).id, name=name)
    audit.record("user_updated", target=("passkey", passkey_id), detail={"fields": ["name"]})
    return renamed


def remove_passkey(passkey_id: UUID, *, caller: Caller) -> None:
    """Forget one of the caller's passkeys, and end their other sessions; raise LastWayIn or LastFactor."""
    user = identity.profile_of(caller)
    held = accounts.lock_credentials(user.id)
    factors.remove_passkey(passkey_id, user_id=user.id)
    if held.password_hash is None and not factors.has_passkey(user.id) and not any(ask(user.id) for ask in _other_ways):
        raise LastWayIn
    second_factor.refuse_to_be_without(caller, user)
    second_factor.changed(user, enrolled=False, factor=_FACTOR, what="A passkey was removed.", keep=caller)


def _admitted(claimed: factors.Claimed | None, assertion: factors.Assertion) -> int:
    """Return the owner of a key if they may come in; that they are disabled is said only to who has the key."""
    held = _check(claimed, assertion)
    if held.user_id is None:
        raise InvalidPasskey
    if not held.is_active:
        raise AccountDisabled
    return held.user_id


def _check(claimed: factors.Claimed | None, assertion: factors.Assertion) -> accounts.Credentials:
    """Return the owner of a key, who stays as they are, if they signed a challenge of ours."""
    challenge = factors.challenge_in(assertion)
    fresh = challenges.spend("passkey_login", challenge, user_id=None if claimed is None else claimed.user_id)
    if claimed is None or not fresh:
        raise InvalidPasskey
    held, owner = accounts.lock_credentials(claimed.user_id), accounts.find_user(claimed.user_id)
    if owner is None:
        raise InvalidPasskey
    try:
        factors.use_passkey(claimed, assertion, challenge=challenge, owner=owner)
    except factors.Refused as error:
        raise InvalidPasskey from error
    return held


def _record_failure(code: str, user_id: int | None) -> None:
    target = None if user_id is None else ("user", user_id)
    detail = {"code": code, "factor": _FACTOR}
    db.after_rollback(lambda: audit.record("authn_login_fail", outcome="failure", target=target, detail=detail))
