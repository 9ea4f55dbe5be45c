"""Proving once more who one is, before what a stolen session must not do (OWASP ASVS 5.0, 7.5)."""

from dataclasses import dataclass
from datetime import datetime

from app.core.caller import Caller
from app.core.errors import InvalidToken
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import identity, proofs, sessions, throttle
from app.features.auth.attempts import WrongFactor, failed
from app.features.auth.methods import MFA
from app.features.auth.proofs import Proof
from app.features.auth.signin import WrongPassword
from app.web.caller import SecondFactorRequired


@dataclass(frozen=True, slots=True)
class Reauthenticated:
    """Until when what needs it is allowed."""

    reauthenticated_until: datetime


def reauthenticate(*, caller: Caller, proof: Proof) -> Reauthenticated:
    """Let the caller do for ten minutes what needs it.

    The password alone suffices where it is all there is, or where this very session was opened with a second factor.
    """
    if proof.password is None:
        _prove_factor(caller, proof)
    else:
        _prove_password(caller, proof.password)
    if caller.session_id is None or not sessions.step_up(caller.session_id):
        raise InvalidToken
    audit.record("authn_reauthenticated", target=("session", caller.session_id))
    return Reauthenticated(identity.stepped_up_until())


def _prove_password(caller: Caller, password: str) -> None:
    user = identity.profile_of(caller)
    if user.mfa_enabled and MFA not in identity.methods_of(caller):
        raise SecondFactorRequired("The password alone does not suffice here. Send a code or a passkey.")
    credentials = accounts.credentials_of(user.id)
    guesses = throttle.sign_in(f"user:{user.id}", known_address=True)
    throttle.reserve(guesses)
    right, _ = accounts.check_password(credentials, password)
    if not right or not accounts.still_hold(credentials, password):
        raise failed(WrongPassword(), user.id)
    throttle.release(guesses)


def _prove_factor(caller: Caller, proof: Proof) -> None:
    user_id = identity.profile_of(caller).id
    guesses = throttle.second_factor(user_id, within=f"session {caller.session_id}")
    throttle.reserve(guesses)
    if proofs.use(user_id, proof) is None:
        raise failed(WrongFactor(), user_id)
    throttle.release(guesses)
