"""What is held of a person in their own row, and how it is emptied once they were deleted long enough ago."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.core import clock
from app.core.errors import NotFound
from app.features.accounts.models import User
from app.features.audit import service as audit
from app.infra import db, held

_BATCH = 100
_NOT_SHOWN = {"password_hash", "username_key", "email_key", "search_text", "version", "deleted_at", "erased_at"}
"""Secrets, what is computed from the rest, and what is never set of somebody who may ask."""


def held_of(user_id: int) -> dict[str, Any]:
    """Return somebody's own row, without what it is searched by and without the hash of the password."""
    found = held.rows(User, User.id == user_id, but=_NOT_SHOWN)
    if not found:
        raise NotFound
    has_password = db.session().scalar(select(User.password_hash.is_not(None)).where(User.id == user_id))
    return {**found[0], "has_password": bool(has_password)}


def due_for_erasure(*, deleted_before: datetime, after: int = 0) -> list[int]:
    """Return the next people, by number, who were deleted before then and are not erased yet."""
    due = select(User.id).where(User.deleted_at <= deleted_before, User.erased_at.is_(None), User.id > after)
    return list(db.session().scalars(due.order_by(User.id).limit(_BATCH)))


def claim_for_erasure(user_id: int) -> bool:
    """Lock a deleted person; return whether there is anything left of them to erase. Nobody restores them meanwhile."""
    user = db.session().get(User, user_id, with_for_update={"key_share": True})
    return user is not None and user.deleted_at is not None and user.erased_at is None


def erase(user_id: int) -> None:
    """Empty the row of a deleted person for good: the number stays, so that the audit trail still means somebody."""
    user = db.session().get_one(User, user_id)
    user.username = user.username_key = f"erased-{user_id}"
    user.email = user.email_key = user.first_name = user.last_name = user.search_text = ""
    user.locale = user.password_hash = user.email_verified_at = None
    user.is_active = user.mfa_enabled = False
    user.erased_at = clock.now()
    db.session().flush()
    audit.record("user_erased", target=("user", user_id))
