"""The door of privacy: show somebody everything that is held of them, let them leave, and forget them in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.core.caller import OPERATOR, Caller
from app.core.config import Settings
from app.core.errors import Conflict, InvalidToken, NotFound, Unauthenticated
from app.features.access import service as access
from app.features.accounts import service as accounts
from app.features.api_keys import service as api_keys
from app.features.audit import service as audit
from app.features.auth import service as auth
from app.features.backups import service as backups
from app.features.factors import service as factors
from app.features.jobs import service as jobs
from app.features.mail import service as mail
from app.features.oidc import service as oidc
from app.infra import db

__all__ = [
    "ERASE",
    "AmbiguousName",
    "Leaving",
    "ask_for_erasures",
    "connect",
    "erase",
    "erase_again",
    "erase_due",
    "erase_left",
    "export",
    "find",
    "leave",
]

ERASE = "privacy.erase"
"""The job that erases one person whose time is over."""


_HOLDERS = (auth, api_keys, factors, oidc, mail, jobs, access)
"""Whoever holds rows of a person; the person's own row is emptied last."""

_period = timedelta(days=30)


class AmbiguousName(Conflict):
    """One person has the number that is another's user name."""

    code = "AMBIGUOUS_NAME"
    message = "That is somebody's number and somebody else's user name. Give an e-mail address."


@dataclass(frozen=True, slots=True)
class Leaving:
    """That somebody was deleted, and from when on nothing of them is left."""

    deleted_at: datetime
    erased_after: datetime


def connect(settings: Settings) -> None:
    """Learn after how long deleted people are erased."""
    global _period  # noqa: PLW0603 -- set once during assembly
    _period = timedelta(days=settings.erase_after_days)


def export(caller: Caller) -> dict[str, Any]:
    """Return everything that is held of the caller, but secrets and hashes of secrets. That they asked is recorded."""
    user_id = _known(caller)
    with db.apart():
        audit.record("sensitive_read", target=("user", user_id), detail={"what": "export"})
    return {
        "exported_at": clock.now(),
        "profile": accounts.held_of(user_id),
        "roles": access.held_of(user_id),
        **auth.held_of(user_id),
        "api_keys": api_keys.held_of(user_id),
        **factors.held_of(user_id),
        "identities": oidc.held_of(user_id),
        "mails": mail.held_of(user_id),
        "jobs": jobs.held_of(user_id),
        "audit_events": audit.held_of(user_id),
    }


def leave(caller: Caller) -> Leaving:
    """Delete the caller: at once without access, their address free; restorable until they are erased.

    Raises LastAdministrator.
    """
    user_id = _known(caller)
    user = accounts.find_user(user_id)
    if user is None:
        raise InvalidToken
    try:
        accounts.delete(user_id=user_id, guard=_whatever_the_version, by=caller)
    except NotFound as error:
        raise InvalidToken from error  # deleted by another request in this very moment
    now = clock.now()
    leaving = Leaving(deleted_at=now, erased_after=now + _period)
    context = {"username": user.username, "erased_on": f"{leaving.erased_after:%d %B %Y}"}
    mail.send("account_deleted", to=user.email, user_id=user_id, context=context)
    return leaving


def erase_due() -> int:
    """Erase everybody whose time is over; return how many.

    Each person is a transaction: killed in between, somebody is whole or gone, and the next run goes on.
    """
    before, last, erased = clock.now() - _period, 0, 0
    while True:
        with db.apart():
            due = accounts.due_for_erasure(deleted_before=before, after=last)
        if not due:
            return erased
        for last in due:
            with db.apart():
                erased += _erase(last)


def ask_for_erasures() -> int:
    """Ask for a job for everybody whose time is over; return how many were new.

    A person who cannot be erased holds up nobody else, and is seen among the dead jobs.
    """
    before, last, asked = clock.now() - _period, 0, 0
    while True:
        with db.apart():
            due = accounts.due_for_erasure(deleted_before=before, after=last)
            for last in due:
                asked += jobs.enqueue(ERASE, {"user_id": last}, once=f"{ERASE}:{last}", about=last) is not None
        if not due:
            return asked


def erase_left(user_id: int) -> None:
    """Erase somebody who left, unless an administrator restored them since."""
    user = accounts.find_user(user_id)
    if user is not None and user.deleted_at is not None and user.deleted_at <= clock.now() - _period:
        _erase(user_id)


def find(name: str) -> accounts.Profile:
    """Return whom an operator means: a number, also of somebody deleted; or an address or a user name of the living."""
    meant = {accounts.find_credentials(name).user_id, int(name) if name.isdecimal() else 0}
    found = [user for user_id in meant if user_id and (user := accounts.find_user(user_id))]
    if len(found) > 1:
        raise AmbiguousName
    if not found:
        raise NotFound("There is no such user. Give the number of somebody who is deleted already.")
    return found[0]


def erase(user_id: int) -> bool:
    """Erase somebody at once, as the operator; return whether anything was left of them. Raises LastAdministrator."""
    user = accounts.find_user(user_id)
    if user is None:
        raise NotFound
    if user.deleted_at is None:
        accounts.delete(user_id=user_id, guard=_whatever_the_version, by=OPERATOR)
    return _erase(user_id)


def erase_again(user_id: int) -> bool:
    """Erase somebody whom a restored backup brought back; return whether it did."""
    with db.apart():
        user = accounts.find_user(user_id)
        return user is not None and erase(user_id)


def _erase(user_id: int) -> bool:
    if not accounts.claim_for_erasure(user_id):
        return False
    for holder in _HOLDERS:
        holder.erase(user_id)
    accounts.erase(user_id)
    backups.note_erased(user_id)
    return True


def _known(caller: Caller) -> int:
    if caller.user_id is None:
        raise Unauthenticated
    return caller.user_id


def _whatever_the_version(_version: int) -> None:
    """Somebody who leaves does so whatever others changed of them meanwhile."""
