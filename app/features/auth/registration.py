"""Registering, and the first administrator."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, update

from app.core import clock, identifiers
from app.core.caller import ANONYMOUS, OPERATOR
from app.core.errors import Invalid
from app.core.keyring import digest
from app.core.permissions import ADMIN, USER
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.auth import throttle
from app.features.auth.models import OneTimeCode
from app.infra import db

_SETUP = "setup"
_SETUP_LIFETIME = timedelta(hours=24)


class InvalidCode(Invalid):
    """Unknown, used or expired: one answer for all."""

    code = "INVALID_CODE"
    message = "This code is not valid or no longer valid."


def register(*, username: str, email: str, password: str, first_name: str, last_name: str) -> accounts.Profile:
    """Make an account with the role ``user``; of many identical ones at once, one wins."""
    if identifiers.is_reserved(username):
        raise Invalid(details={"username": ["This name is reserved. Choose another."]})
    identifiers.username_key(username)
    identifiers.email_key(email)
    throttle.reserve(throttle.registration())
    hashed = accounts.hash_new_password(password, hints=(email, username, first_name, last_name))
    account = accounts.NewAccount(username, email, hashed, first_name, last_name)
    return accounts.create(account, roles=[USER], by=ANONYMOUS)


def create_administrator(*, username: str, email: str, password: str) -> accounts.Profile:
    """Make an administrator, as whoever runs the machine."""
    hashed = accounts.hash_new_password(password, hints=(email, username))
    account = accounts.NewAccount(username, email, hashed)
    return accounts.create(account, roles=[ADMIN, USER], by=OPERATOR)


def make_setup_code() -> str | None:
    """Return a new code that makes the first administrator once, within a day; None if there is one already.

    Earlier codes end. Only the hash is stored.
    """
    if accounts.has_administrator():
        return None
    code, now = secrets.token_urlsafe(32), clock.now()
    db.session().execute(delete(OneTimeCode).where(OneTimeCode.purpose == _SETUP))
    db.session().add(OneTimeCode(hash=digest(code), purpose=_SETUP, created_at=now, expires_at=now + _SETUP_LIFETIME))
    db.session().flush()
    return code


def set_up(*, code: str, username: str, email: str, password: str) -> accounts.Profile:
    """Make the first administrator with a setup code; the code is spent only if that succeeds."""
    spent = db.session().scalar(
        update(OneTimeCode)
        .where(
            OneTimeCode.hash == digest(code),
            OneTimeCode.purpose == _SETUP,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > clock.now(),
        )
        .values(used_at=clock.now())
        .returning(OneTimeCode.hash)
        .execution_options(synchronize_session=False)
    )
    too_late = accounts.has_administrator()
    if spent is None and not too_late:  # later the door is shut, and strangers must not fill the trail
        detail = {"by": "setup code", "code": InvalidCode.code}
        db.after_rollback(lambda: audit.record("authz_admin", outcome="failure", detail=detail))
    if spent is None or too_late:
        raise InvalidCode
    user = create_administrator(username=username, email=email, password=password)
    audit.record("authz_admin", target=("user", user.id), detail={"by": "setup code"})
    return user
