"""What the outbox holds of one person."""

from typing import Any

from sqlalchemy import delete, update

from app.features.mail.models import Mail
from app.infra import db, held


def held_of(user_id: int) -> list[dict[str, Any]]:
    """Return which mails were written to somebody and whether they left.

    Without what they said, which opens links, and without the number of who caused them, which is another person's.
    """
    return held.rows(Mail, Mail.user_id == user_id, but={"user_id", "sealed", "asked_by"})


def erase(user_id: int) -> None:
    """Delete the mails to somebody, also those that did not leave yet; forget that they caused any to others."""
    db.session().execute(update(Mail).where(Mail.asked_by == user_id).values(asked_by=None))
    db.session().execute(delete(Mail).where(Mail.user_id == user_id))
