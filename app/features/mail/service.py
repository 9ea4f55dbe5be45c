"""The door of mail: a letter is a row of the transaction that causes it, and leaves once that is committed."""

from collections.abc import Mapping
from urllib.parse import urlencode

import orjson

from app.core import clock, origin
from app.core.config import Settings
from app.core.ids import uuid7
from app.features.mail import delivery, records, rendering
from app.features.mail.backlog import Backlog, backlog
from app.features.mail.delivery import deliver_next, deliver_pending
from app.features.mail.models import Mail
from app.features.mail.personal import erase, held_of
from app.features.mail.records import DELIVER, Record, discard, forget_old, list_records, retry
from app.infra import db, queue

__all__ = [
    "DELIVER",
    "Backlog",
    "Record",
    "backlog",
    "connect",
    "deliver_next",
    "deliver_pending",
    "discard",
    "erase",
    "forget_old",
    "held_of",
    "link",
    "list_records",
    "retry",
    "send",
]

_base_url = ""


def connect(settings: Settings) -> None:
    """Learn where links lead, who sends, and how long things take."""
    global _base_url  # noqa: PLW0603 -- set once during assembly
    _base_url = settings.base_url
    for room in (rendering, delivery, records):
        room.connect(settings)


def link(path: str, **arguments: str) -> str:
    """Return the address of a page of this service for a mail; only PUBLIC_URL decides the host."""
    return f"{_base_url}{path}?{urlencode(arguments)}" if arguments else _base_url + path


def send(
    template: str, *, to: str | None, user_id: int | None = None, context: Mapping[str, str] | None = None
) -> None:
    """Put a mail into the outbox with the present transaction: all of it happens, or nothing.

    ``to`` is the stored address of an account, never what a stranger typed; None writes a row that nobody gets, so
    that what is asked for an unknown address costs the same. ``context`` fills the template.
    """
    now = clock.now()
    source = origin.current()
    sealed = orjson.dumps({"to": to, "context": dict(context or {})})
    db.session().add(
        Mail(
            id=uuid7(),
            template=template,
            user_id=user_id,
            sealed=sealed,
            status="pending",
            created_at=now,
            due_at=now,
            request_id=source.request_id,
            trace_id=source.trace_id,
            asked_by=source.user_id,
        )
    )
    db.session().flush()
    queue.enqueue(DELIVER)
