"""What API keys hold of one person."""

from typing import Any

from sqlalchemy import delete

from app.features.api_keys.models import ApiKey
from app.infra import db, held


def held_of(user_id: int) -> list[dict[str, Any]]:
    """Return somebody's keys, without the hashes of their secrets."""
    return held.rows(ApiKey, ApiKey.user_id == user_id, but={"user_id", "hash"})


def erase(user_id: int) -> None:
    """Delete somebody's keys."""
    db.session().execute(delete(ApiKey).where(ApiKey.user_id == user_id))
