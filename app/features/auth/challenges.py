"""Challenges of WebAuthn: random, kept as a hash, good once, for one purpose and one user, for five minutes."""

import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Literal

from sqlalchemy import or_

from app.features.auth import once
from app.features.auth.models import OneTimeCode
from app.infra import db

Purpose = Literal["passkey_register", "passkey_login"]

_BYTES = 32
_LIFETIME = timedelta(minutes=5)


def issue(purpose: Purpose, *, user_id: int | None) -> bytes:
    """Return a new challenge, for this user only or, with None, for whoever answers it."""
    challenge = secrets.token_bytes(_BYTES)
    once.keep(purpose, _text(challenge), lives=_LIFETIME, user_id=user_id)
    return challenge


def spend(purpose: Purpose, challenge: bytes, *, user_id: int | None) -> bool:
    """Tell whether this user may answer this challenge now; nobody may again, whatever becomes of the answer.

    In a transaction of its own: a wrong answer spends the challenge as well. Call it before the unit writes. One that
    was issued for nobody may be answered by anybody, but only to sign in.
    """
    owned = OneTimeCode.user_id == user_id
    mine = or_(owned, OneTimeCode.user_id.is_(None)) if purpose == "passkey_login" else owned
    with db.apart():
        return once.spend(purpose, _text(challenge), mine) is not None


def _text(challenge: bytes) -> str:
    return urlsafe_b64encode(challenge).decode()
