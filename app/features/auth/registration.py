"""Registering, and the first administrator."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete

from app.core import identifiers
from app.core.caller import ANONYMOUS, OPERATOR
from app.core.config import Settings
from app.core.errors import Invalid
from app.core.permissions import ADMIN, USER
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import links, once, throttle
from app.features.auth.models import OneTimeCode
from app.features.auth.verification import PENDING, Pending, send_verification
from app.infra import db

_SETUP = "setup"
_SETUP_LIFETIME = timedelta(hours=24)

_quietly = False


class InvalidCode(Invalid):
    """Unknown, used or expired: one answer for all."""

    code = "INVALID_CODE"
    message = "This code is not valid or no longer valid."


def connect(settings: Settings) -> None:
    """Learn whether an address must be proven."""
    global _quietly  # noqa: PLW0603 -- set once during assembly
    _quietly = settings.verifies_email


def register(
    *, username: str, email: str, password: str, first_name: str, last_name: str
) -> accounts.Profile | Pending:
    """Make an account with the role ``user``; of many identical ones at once, one wins.

    Where addresses must be proven, the answer and its time are the same whatever is taken; a mail tells the rest.
    """
    if identifiers.is_reserved(username):
        raise Invalid(details={"username": ["This name is reserved. Choose another."]})
    identifiers.username_key(username)
    identifiers.email_key(email)
    throttle.reserve(throttle.registration())
    taken = _who_has(username, email) if _quietly else None
    hashed = accounts.hash_new_password(password, hints=(email, username, first_name, last_name))
    account = accounts.NewAccount(username, email, hashed, first_name, last_name)
    if taken is None:
        return _create(account)
    _create_quietly(account, taken)
    return PENDING


@dataclass(frozen=True, slots=True)
class _Taken:
    """What of a registration is taken. ``wanted``: its address may get one more letter that says so."""

    owner: accounts.Addressee | None
    username: bool
    held: bool
    wanted: bool


def _who_has(username: str, email: str) -> _Taken:
    wanted = throttle.reserve_letter("register", accounts.address_key(email))
    named = accounts.find_credentials(username).user_id is not None
    return _Taken(accounts.find_addressee(email), named, links.is_held(email), wanted)


def _create(account: accounts.NewAccount) -> accounts.Profile:
    made = accounts.create(account, roles=[USER], by=ANONYMOUS)
    links.refuse_held(made.email, user_id=made.id)
    send_verification(made)
    return made


def _create_quietly(account: accounts.NewAccount, taken: _Taken) -> None:
    """Make an account, or tell by mail whose it is; either way the database does the same."""
    if taken.owner or taken.username or taken.held:
        accounts.rehearse(account, roles=[USER], by=ANONYMOUS)
        links.refuse_held("", user_id=0)
        _tell(account, taken)
        return
    try:
        with db.session().begin_nested():  # as the rehearsal has one
            made = accounts.create(account, roles=[USER], by=ANONYMOUS)
    except (accounts.EmailTaken, accounts.UsernameTaken):
        return  # by somebody at this very moment, who gets the mail
    links.refuse_held(made.email, user_id=made.id)
    send_verification(made)


def _tell(account: accounts.NewAccount, taken: _Taken) -> None:
    if taken.owner or taken.held:
        owner = taken.owner if taken.wanted and taken.owner and taken.owner.is_active else None
        links.send(links.RESET, "already_registered", to=owner)
    else:
        links.send(links.VERIFY, "username_taken", to=None, address=account.email if taken.wanted else None)


def create_administrator(*, username: str, email: str, password: str) -> accounts.Profile:
    """Make an administrator, as whoever runs the machine: that proves more than their address."""
    hashed = accounts.hash_new_password(password, hints=(email, username))
    account = accounts.NewAccount(username, email, hashed, email_verified=True)
    return accounts.create(account, roles=[ADMIN, USER], by=OPERATOR)


def make_setup_code() -> str | None:
    """Return a new code that makes the first administrator once, within a day; None if there is one already.

    Earlier codes end. Only the hash is stored.
    """
    if accounts.has_administrator():
        return None
    code = secrets.token_urlsafe(32)
    db.session().execute(delete(OneTimeCode).where(OneTimeCode.purpose == _SETUP))
    once.keep(_SETUP, code, lives=_SETUP_LIFETIME)
    return code


def set_up(*, code: str, username: str, email: str, password: str) -> accounts.Profile:
    """Make the first administrator with a setup code; the code is spent only if that succeeds."""
    spent = once.spend(_SETUP, code)
    too_late = accounts.has_administrator()
    if spent is None and not too_late:  # later the door is shut, and strangers must not fill the trail
        detail = {"by": "setup code", "code": InvalidCode.code}
        db.after_rollback(lambda: audit.record("authz_admin", outcome="failure", detail=detail))
    if spent is None or too_late:
        raise InvalidCode
    user = create_administrator(username=username, email=email, password=password)
    audit.record("authz_admin", target=("user", user.id), detail={"by": "setup code"})
    return user
