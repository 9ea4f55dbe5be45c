"""One proof of who somebody is, as those send it who are asked for it: a second factor, or a password."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import Unauthenticated
from app.features.accounts import service as accounts
from app.features.auth import passkeys
from app.features.auth.methods import ONE_TIME_PASSWORD, PASSKEY, RECOVERY_CODE
from app.features.factors import service as factors
from app.features.mail import service as mail


@dataclass(frozen=True, slots=True)
class Proof:
    """Exactly one of these is set."""

    password: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    passkey: Mapping[str, Any] | None = field(default=None, repr=False)


def use(user_id: int, proof: Proof) -> str | None:
    """Use up a second factor; return by which method it proves the user, None if it does not.

    Reserve the guess before, and write nothing before: a passkey spends its challenge in a transaction of its own.
    The user is locked from here on.
    """
    if proof.passkey is not None:
        return _use_passkey(user_id, proof.passkey)
    owner = accounts.lock_user(user_id)
    if owner is None:
        return None
    if proof.recovery_code is not None:
        return _use_recovery_code(owner, proof.recovery_code)
    return ONE_TIME_PASSWORD if factors.verify_totp(user_id, proof.code or "") else None


def _use_passkey(user_id: int, assertion: Mapping[str, Any]) -> str | None:
    try:
        passkeys.prove(user_id=user_id, assertion=assertion)
    except Unauthenticated:
        return None
    return PASSKEY


def _use_recovery_code(owner: accounts.Profile, code: str) -> str | None:
    if not factors.use_recovery_code(owner.id, code):
        return None
    left = factors.holdings_of(owner.id).recovery_codes_left
    what = f"A recovery code was used. It will not work again; {left} are left."
    mail.send("recovery_code_used", to=owner.email, user_id=owner.id, context={"what": what})
    return RECOVERY_CODE
