"""What the outbox holds of one person."""

from typing import Any

from sqlalchemy import delete

from app.features.mail.models import Mail
from app.infra import db, held


def held_of(user_id: int) -> list[dict[str, Any]]:
    """Return which mails were written to somebody and whether they left, without what they said: it opens links."""
    return held.rows(Mail, Mail.user_id == user_id, but={"user_id", "sealed"})


def erase(user_id: int) -> None:
    """Delete the mails to somebody, also those that did not leave yet."""
    db.session().execute(delete(Mail).where(Mail.user_id == user_id))
