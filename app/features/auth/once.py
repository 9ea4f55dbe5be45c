"""Codes that work once, for the features above: of each only the hash is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from app.core import clock
from app.core.keyring import digest
from app.features.auth.models import OneTimeCode
from app.infra import db


@dataclass(frozen=True, slots=True)
class Spent:
    """What a code stood for."""

    user_id: int | None
    detail: Mapping[str, Any]


def keep_code(
    *, purpose: str, code: str, seconds: int, user_id: int | None = None, detail: Mapping[str, Any] | None = None
) -> None:
    """Let a random code of 112 bits or more work once, for so many seconds. ``detail`` lies in clear."""
    now = clock.now()
    row = OneTimeCode(
        hash=digest(f"{purpose} {code}"),
        purpose=purpose,
        user_id=user_id,
        detail=dict(detail or {}),
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    db.session().add(row)
    db.session().flush()


def spend_code(*, purpose: str, code: str) -> Spent | None:
    """Use a code up and return what it stood for; None if there is none. Of several who try at once, one does."""
    now = clock.now()
    row = (
        db.session()
        .execute(
            update(OneTimeCode)
            .where(
                OneTimeCode.hash == digest(f"{purpose} {code}"),
                OneTimeCode.purpose == purpose,
                OneTimeCode.used_at.is_(None),
                OneTimeCode.expires_at > now,
            )
            .values(used_at=now)
            .returning(OneTimeCode.user_id, OneTimeCode.detail)
            .execution_options(synchronize_session=False)
        )
        .one_or_none()
    )
    return None if row is None else Spent(row.user_id, row.detail)
