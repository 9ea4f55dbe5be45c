"""Challenges of WebAuthn: random, kept as a hash, good once, for one purpose and one user, for five minutes."""

import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Literal

from sqlalchemy import or_, update

from app.core import clock
from app.core.keyring import digest
from app.features.auth.models import OneTimeCode
from app.infra import db

Purpose = Literal["passkey_register", "passkey_login"]

_BYTES = 32
_LIFETIME = timedelta(minutes=5)


def issue(purpose: Purpose, *, user_id: int | None) -> bytes:
    """Return a new challenge, for this user only or, with None, for whoever answers it."""
    challenge, now = secrets.token_bytes(_BYTES), clock.now()
    db.session().add(
        OneTimeCode(hash=_hash(challenge), purpose=purpose, user_id=user_id, created_at=now, expires_at=now + _LIFETIME)
    )
    db.session().flush()
    return challenge


def spend(purpose: Purpose, challenge: bytes, *, user_id: int | None) -> bool:
    """Tell whether this user may answer this challenge now; nobody may again, whatever becomes of the answer.

    One statement decides, in a transaction of its own: a wrong answer spends the challenge as well. Call it before
    the unit writes. One that was issued for nobody may be answered by anybody, but only to sign in.
    """
    owned = OneTimeCode.user_id == user_id
    mine = or_(owned, OneTimeCode.user_id.is_(None)) if purpose == "passkey_login" else owned
    now = clock.now()
    statement = (
        update(OneTimeCode)
        .where(
            OneTimeCode.hash == _hash(challenge),
            OneTimeCode.purpose == purpose,
            mine,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > now,
        )
        .values(used_at=now)
        .returning(OneTimeCode.hash)
        .execution_options(synchronize_session=False)
    )
    with db.apart() as session:
        return session.scalar(statement) is not None


def _hash(challenge: bytes) -> str:
    return digest(urlsafe_b64encode(challenge).decode())
