"""The outbox as operators see it: which mails wait, left or died; never to whom, never what they say."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from app.core import clock
from app.core.config import Settings
from app.core.errors import NotFound
from app.core.ids import UUID
from app.features.audit import service as audit
from app.features.mail.models import Mail
from app.infra import db, queue

DELIVER = "mail.deliver"
"""The task that sends what is due."""


class NoSuchDeadMail(NotFound):
    """Only dead mail can be sent again or discarded."""

    code = "NO_SUCH_DEAD_MAIL"
    message = "There is no dead mail of that id. 'flask mail dead' lists them."


@dataclass(frozen=True, slots=True)
class Record:
    """One mail of the outbox."""

    id: UUID
    status: str
    template: str
    attempts: int
    created_at: datetime
    due_at: datetime
    last_error: str | None


_kept: timedelta


def connect(settings: Settings) -> None:
    """Learn how long records are kept."""
    global _kept  # noqa: PLW0603 -- set once during assembly
    _kept = timedelta(days=settings.mail_retention_days)


def list_records(*, status: str | None = None, limit: int = 1000) -> list[Record]:
    """Return mails in the order in which they were written."""
    columns = (Mail.id, Mail.status, Mail.template, Mail.attempts, Mail.created_at, Mail.due_at, Mail.last_error)
    found = select(*columns).order_by(Mail.id).limit(limit)
    rows = db.session().execute(found if status is None else found.where(Mail.status == status))
    return [Record(*row) for row in rows]


def retry(ids: Collection[UUID] | None) -> int:
    """Give dead mails, or all of them (None), their attempts back; raise NoSuchDeadMail if one is none."""
    chosen = _dead(ids)
    now = clock.now()
    fresh = {"status": "pending", "attempts": 0, "due_at": now, "last_error": None}
    db.session().execute(update(Mail).where(Mail.id.in_(chosen)).values(fresh))
    _record(retried=True, chosen=chosen)
    queue.enqueue(DELIVER)
    return len(chosen)


def discard(ids: Collection[UUID] | None) -> int:
    """Delete dead mails, or all of them (None); raise NoSuchDeadMail if one is none."""
    chosen = _dead(ids)
    db.session().execute(delete(Mail).where(Mail.id.in_(chosen)))
    _record(retried=False, chosen=chosen)
    return len(chosen)


def forget_old() -> None:
    """Delete the records of mail that left long ago."""
    db.session().execute(delete(Mail).where(Mail.status == "sent", Mail.sent_at <= clock.now() - _kept))


def _dead(ids: Collection[UUID] | None) -> dict[UUID, str]:
    """Return the templates of the chosen mails, which nobody else changes from here on."""
    found = select(Mail.id, Mail.template).where(Mail.status == "dead").order_by(Mail.id).with_for_update()
    rows = db.session().execute(found if ids is None else found.where(Mail.id.in_(ids))).all()
    if ids is not None and len(rows) < len(set(ids)):
        raise NoSuchDeadMail
    return {row.id: row.template for row in rows}


def _record(chosen: dict[UUID, str], *, retried: bool) -> None:
    for mail_id, template in chosen.items():
        audit.record(
            "mail_retried" if retried else "mail_discarded", target=("mail", mail_id), detail={"template": template}
        )
