"""What sign-in with other providers holds of one person."""

from typing import Any

from sqlalchemy import delete

from app.features.oidc.models import Identity
from app.infra import db, held


def held_of(user_id: int) -> list[dict[str, Any]]:
    """Return who somebody is elsewhere."""
    return held.rows(Identity, Identity.user_id == user_id, but={"user_id"})


def erase(user_id: int) -> None:
    """Forget who somebody is elsewhere."""
    db.session().execute(delete(Identity).where(Identity.user_id == user_id))
