"""Acting as another user, for a quarter of an hour, seen by them and named beside them in the audit trail."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from app.core.caller import Caller
from app.core.errors import Conflict, Forbidden, InvalidToken, NotFound
from app.core.permissions import ADMIN
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import keys, sessions, tokens
from app.features.auth.methods import IMPERSONATION
from app.features.mail import service as mail

_SECONDS = 900


class OwnAccount(Conflict):
    """Nobody needs a second self."""

    code = "CANNOT_IMPERSONATE_YOURSELF"
    message = "This is your own account."


class AdministratorProtected(Forbidden):
    """Administrators answer for what they do, so nobody does it in their name."""

    code = "ADMINISTRATOR_NOT_IMPERSONATED"
    message = "Nobody can act as an administrator."


class InactiveAccount(Conflict):
    """Who is locked out cannot be let in by another door."""

    code = "ACCOUNT_INACTIVE"
    message = "This account is disabled. Enable it first."


@dataclass(frozen=True, slots=True)
class Impersonation:
    """What somebody else's requests are made with."""

    access_token: str = field(repr=False)
    expires_in: int
    user: accounts.Profile
    token_type: str = "Bearer"  # noqa: S105 -- RFC 6750


def start(user_id: int, *, reason: str, by: Caller) -> Impersonation:
    """Begin to act as somebody who is no administrator and may do nothing that the caller may not.

    There is no refresh token: it ends after a quarter of an hour, and whenever either of the two is locked out,
    the impersonator's password, permission or session goes, or the user ends it as any session of theirs.
    """
    signer = keys.signer()  # read now if need be: whoever holds a connection must not wait for a second one
    user = accounts.find_user(user_id)
    if user is None or user.deleted_at is not None:
        raise NotFound
    if user_id == by.user_id:
        raise OwnAccount
    if ADMIN in user.roles:
        raise AdministratorProtected
    access.refuse_to_overrule(user_id, by=by)
    if not user.is_active:
        raise InactiveAccount
    _hold(user_id, by)
    session = sessions.impersonate(
        user_id=user_id, by=by, methods=[IMPERSONATION], lifetime=timedelta(seconds=_SECONDS)
    )
    detail = {"session": str(session.id), "reason": reason}
    audit.record("impersonation_started", target=("user", user_id), detail=detail)
    mail.send("impersonated", to=user.email, user_id=user_id, context={"reason": reason})
    return Impersonation(tokens.issue_acting(session, user, signer), _SECONDS, user)


def _hold(user_id: int, by: Caller) -> None:
    """Keep both from being locked out, and the caller from signing out, until the session is there to be ended."""
    mine = cast("int", by.user_id)
    active = {
        one: accounts.lock_active(one) for one in sorted((user_id, mine))
    }  # sorted: two must not wait in a circle
    if not active[mine] or not sessions.lock_live(by.session_id):
        raise InvalidToken
    if not active[user_id]:
        raise InactiveAccount
