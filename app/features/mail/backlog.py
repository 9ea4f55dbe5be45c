"""What waits in the outbox."""

from dataclasses import dataclass

from sqlalchemy import func, select

from app.core import clock
from app.features.mail.models import Mail
from app.infra import db

STATUSES = ("pending", "sent", "dead")


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many mails there are of each status, and how long the oldest that waits has waited, in seconds."""

    depth: dict[str, int]
    oldest_seconds: float


def backlog() -> Backlog:
    """Return what waits in the outbox."""
    counted = db.session().execute(select(Mail.status, func.count()).group_by(Mail.status))
    found: dict[str, int] = dict(counted.all())
    oldest = db.session().scalar(select(func.min(Mail.created_at)).where(Mail.status == "pending"))
    waited = 0.0 if oldest is None else (clock.now() - oldest).total_seconds()
    return Backlog({status: found.get(status, 0) for status in STATUSES}, waited)
