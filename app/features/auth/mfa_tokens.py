"""Sign-ins that wait for their second factor: a random token for five minutes, kept as a hash. No session yet."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import bindparam, delete, select

from app.core import clock
from app.core.errors import InvalidToken
from app.core.keyring import digest
from app.features.auth import once
from app.features.auth.models import OneTimeCode
from app.features.factors import service as factors
from app.infra import db
from app.infra.query import Query

_PURPOSE = "mfa"
_BYTES = 32
_LIFETIME = timedelta(minutes=5)

_LIVE = (
    OneTimeCode.hash == bindparam("digest"),
    OneTimeCode.purpose == _PURPOSE,
    OneTimeCode.used_at.is_(None),
    OneTimeCode.expires_at > bindparam("now"),
)
_FIND = Query(select(OneTimeCode.user_id, OneTimeCode.detail).where(*_LIVE))


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What a sign-in gets instead of tokens: it is finished with one of these methods."""

    mfa_token: str = field(repr=False)
    methods: Sequence[str]
    mfa_required: bool = True
    message: str = "Finish the sign-in with a second factor."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in whose first factor was proven."""

    hash: str = field(repr=False)
    user_id: int
    methods: Sequence[str]


def issue(user_id: int, *, methods: Sequence[str]) -> SecondStep:
    """Keep what was proven so far, under a new token. Those of the user that are over are deleted."""
    token, now = secrets.token_urlsafe(_BYTES), clock.now()
    mine = OneTimeCode.user_id == user_id, OneTimeCode.purpose == _PURPOSE
    db.session().execute(delete(OneTimeCode).where(*mine, OneTimeCode.expires_at <= now))
    once.keep(_PURPOSE, token, lives=_LIFETIME, user_id=user_id, detail={"methods": list(methods)})
    return SecondStep(token, factors.methods_of(user_id))


def find(token: str) -> Waiting:
    """Return the sign-in that waits under a token, or raise InvalidToken. Holds no connection after."""
    hashed = digest(token)
    row = _FIND.first(digest=hashed, now=clock.now())
    if row is None or row.user_id is None:
        raise InvalidToken
    return Waiting(hashed, row.user_id, row.detail["methods"])


def spend(waiting: Waiting) -> None:
    """Use the token; raise InvalidToken if it was used or voided meanwhile. One statement decides."""
    if once.spend_hash(_PURPOSE, waiting.hash) is None:
        raise InvalidToken


def void(user_id: int) -> None:
    """End every sign-in of a user that waits."""
    db.session().execute(delete(OneTimeCode).where(OneTimeCode.user_id == user_id, OneTimeCode.purpose == _PURPOSE))
