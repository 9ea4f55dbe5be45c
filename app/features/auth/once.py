"""Codes that work once, for one purpose and for a while: links, challenges, half a sign-in. Only hashes are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, update

from app.core import clock
from app.core.keyring import digest
from app.features.auth.models import OneTimeCode
from app.infra import db


@dataclass(frozen=True, slots=True)
class Spent:
    """What a code stood for."""

    user_id: int | None
    detail: Mapping[str, Any]


def keep(
    purpose: str,
    code: str,
    *,
    lives: timedelta,
    user_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Let a random code of 112 bits or more work once. ``detail`` lies in clear."""
    now = clock.now()
    row = OneTimeCode(
        hash=digest(code),
        purpose=purpose,
        user_id=user_id,
        detail=dict(detail or {}),
        created_at=now,
        expires_at=now + lives,
    )
    db.session().add(row)
    db.session().flush()


def spend(purpose: str, code: str, *conditions: ColumnElement[bool]) -> Spent | None:
    """Use a code up and return what it stood for, None if there is none; of several who try at once, one does."""
    return spend_hash(purpose, digest(code), *conditions)


def spend_hash(purpose: str, hashed: str, *conditions: ColumnElement[bool]) -> Spent | None:
    """As ``spend``, where only the hash of the code is still known."""
    now = clock.now()
    statement = (
        update(OneTimeCode)
        .where(
            OneTimeCode.hash == hashed,
            OneTimeCode.purpose == purpose,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > now,
            *conditions,
        )
        .values(used_at=now)
        .returning(OneTimeCode.user_id, OneTimeCode.detail)
    )
    row = db.session().execute(statement.execution_options(synchronize_session=False)).one_or_none()
    return None if row is None else Spent(row.user_id, row.detail)
