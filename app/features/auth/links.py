"""Links by mail: a random code that works once, for one purpose and for a while; only its hash is kept.

A link to an account dies with the address it was sent to: the code remembers which one that was. What is asked for
an unknown address makes the same rows, for nobody.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import bindparam, delete, select

from app.core import clock, identifiers
from app.core.errors import Invalid
from app.core.keyring import digest
from app.features.accounts import service as accounts
from app.features.auth import once
from app.features.auth.models import OneTimeCode
from app.features.mail import service as mail
from app.infra import db
from app.infra.query import Query


class InvalidLink(Invalid):
    """Unknown, used, expired, replaced, or made for something else: one answer for all."""

    code = "INVALID_TOKEN"
    message = "This link is not valid or no longer valid. Ask for a new one."

    def __init__(self) -> None:
        super().__init__(details={"token": ["Ask for a new link."]})


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a link is for, the page it leads to, and how long it works. ``bound``: only while the address stays."""

    name: str
    path: str
    lifetime: timedelta
    bound: bool = True


RESET = Purpose("reset_password", "/reset-password", timedelta(minutes=30))
VERIFY = Purpose("verify_email", "/verify-email", timedelta(hours=24))
CHANGE = Purpose("change_email", "/change-email", timedelta(hours=1))
UNDO = Purpose("undo_email", "/undo-email", timedelta(days=7), bound=False)

_HELD = "held_address"


class Person(Protocol):
    """Whom a link is for."""

    @property
    def id(self) -> int: ...

    @property
    def email(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is good at this moment, and whom it belongs to."""

    hash: str
    purpose: Purpose
    person: accounts.Addressee
    detail: Mapping[str, Any]
    created_at: datetime


_LIVE = Query(
    select(OneTimeCode.hash, OneTimeCode.user_id, OneTimeCode.detail, OneTimeCode.created_at).where(
        OneTimeCode.hash == bindparam("hash"),
        OneTimeCode.purpose == bindparam("purpose"),
        OneTimeCode.used_at.is_(None),
        OneTimeCode.expires_at > bindparam("now", type_=OneTimeCode.expires_at.type),
    )
)

_HOLDER = select(OneTimeCode.user_id).where(
    OneTimeCode.hash == bindparam("hash"),
    OneTimeCode.purpose == _HELD,
    OneTimeCode.expires_at > bindparam("now", type_=OneTimeCode.expires_at.type),
)
_HELD_BY = Query(_HOLDER)


def send(
    purpose: Purpose,
    template: str,
    *,
    to: Person | None,
    address: str | None = None,
    detail: Mapping[str, Any] | None = None,
    lifetime: timedelta | None = None,
) -> None:
    """Mail a new link to somebody's address, or to ``address``; earlier ones of the purpose end.

    For nobody the same is done, and nobody gets the mail. What undoes a change does not end earlier ones: whoever
    took an account over must not be able to replace them.
    """
    lives = lifetime or purpose.lifetime
    token, user_id = secrets.token_urlsafe(32), to.id if to else None
    if purpose is not UNDO:
        void(user_id, purpose)
    bound_to = digest(identifiers.login_key(to.email)) if to else ""
    once.keep(purpose.name, token, lives=lives, user_id=user_id, detail={"bound_to": bound_to, **(detail or {})})
    context = {"link": mail.link(purpose.path, token=token), "lifetime": _in_words(lives)}
    mail.send(template, to=address or (to.email if to else None), user_id=user_id, context=context)


def open_link(purpose: Purpose, token: str) -> Link:
    """Return a link without spending it, or raise InvalidLink. Holds no connection after."""
    row = _LIVE.first(hash=digest(token), purpose=purpose.name, now=clock.now())
    if row is None or row.user_id is None:
        raise InvalidLink
    person = accounts.find_addressee_of(row.user_id)
    if person is None or not person.is_active:
        raise InvalidLink
    if purpose.bound and row.detail["bound_to"] != digest(identifiers.login_key(person.email)):
        raise InvalidLink
    return Link(row.hash, purpose, person, row.detail, row.created_at)


def spend(link: Link) -> None:
    """Use a link up, or raise InvalidLink: of several who try at once, one does.

    Lock the user before: whoever changes both takes them in this order.
    """
    if once.spend_hash(link.purpose.name, link.hash) is None:
        raise InvalidLink


def void(user_id: int | None, *purposes: Purpose, since: datetime | None = None) -> None:
    """End somebody's links of these purposes, or those made from then on."""
    statement = delete(OneTimeCode).where(
        OneTimeCode.user_id == (user_id or 0),
        OneTimeCode.purpose.in_([purpose.name for purpose in purposes]),
        OneTimeCode.used_at.is_(None),
    )
    if since is not None:
        statement = statement.where(OneTimeCode.created_at >= since)
    db.session().execute(statement.execution_options(synchronize_session=False))


def hold(person: Person) -> None:
    """Keep an address for whom it may have to be given back to, as long as the link that does so works."""
    now = clock.now()
    ends = now + UNDO.lifetime
    row = {"purpose": _HELD, "user_id": person.id, "created_at": now, "expires_at": ends, "detail": {}}
    statement = db.upsert(OneTimeCode).values(hash=_held(person.email), **row)
    db.session().execute(statement.on_conflict_do_update(index_elements=[OneTimeCode.hash], set_=row))


def refuse_held(email: str, *, user_id: int) -> None:
    """Raise EmailTaken for an address that is kept for somebody else.

    Ask after the address was taken, in the same transaction: before, its owner may just be leaving it.
    """
    holder = db.session().scalar(_HOLDER, {"hash": _held(email), "now": clock.now()})
    if holder not in {None, user_id}:
        raise accounts.EmailTaken


def is_held(email: str, *, user_id: int | None = None) -> bool:
    """Tell whether an address is kept for somebody else; holds no connection after."""
    row = _HELD_BY.first(hash=_held(email), now=clock.now())
    return row is not None and row.user_id != user_id


def _held(email: str) -> str:
    return digest(f"{_HELD} {accounts.address_key(email)}")


def _in_words(lives: timedelta) -> str:
    hours = lives // timedelta(hours=1)
    if lives.days > 1:
        return f"{lives.days} days"
    if hours:
        return "1 hour" if hours == 1 else f"{hours} hours"
    return f"{lives // timedelta(minutes=1)} minutes"
