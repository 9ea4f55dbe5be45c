"""Sends what is due: one mail at a time, under a lock that ends with its holder.

PostgreSQL locks the row, and the transaction that does so also says that the mail is sent. SQLite, which has one
writer, may not be kept waiting for a mail server: there a file is locked. Either way a process that dies between the
server's yes and ours repeats that one mail, under the same Message-ID, and no other.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from app.core import clock, origin
from app.core.config import Settings
from app.core.ids import UUID, uuid7_text
from app.core.keyring import Undecryptable
from app.core.origin import Origin
from app.features.mail import rendering
from app.features.mail.models import Mail
from app.features.mail.rendering import NoTemplate, Unrenderable
from app.infra import db, lockfile, mailer, queue
from app.infra.mailer import MailDelayed, MailRefused, MailServerAway
from app.infra.query import AnySelect

log = logging.getLogger(__name__)

ATTEMPTS = 10
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
_JITTER = 0.25
_KEEPS_ITS_TURN = 3
"""A mail that was put off so often is no longer waited for by the later ones to the same account."""

_IDLE_SECONDS = 60.0

_lock_path: Path
_seconds: float
_sent_here: set[UUID] = set()
"""Mails that left and could not be marked, because the database failed: not to be sent again by this process."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a row: other values, or (None) nothing, and whether the next mail has a chance."""

    changes: dict[str, Any] | None
    goes_on: bool = True


Row = Any
"""A row of ``_due``."""


def connect(settings: Settings) -> None:
    """Learn where the lock is, and how long a mail may take."""
    global _lock_path, _seconds
    _lock_path, _seconds = settings.var_dir / "mail.lock", settings.mail_seconds
    _sent_here.clear()


def deliver_pending() -> int:
    """Send what is due, oldest first, and return how many mails were settled."""
    settled = 0
    try:
        while not mailer.is_resting() and not queue.is_ending() and deliver_next():
            settled += 1
    finally:
        mailer.hang_up()
    return settled


def deliver_next() -> bool:
    """Send, put off or bury one due mail. False if none is due, another process is at it, or the server is away."""
    return _next_on_postgres() if db.is_postgres() else _next_on_sqlite()


def _next_on_postgres() -> bool:
    with db.unit_of_work():
        mail = db.session().execute(_due().with_for_update(skip_locked=True, of=Mail)).first()
        if mail is None:
            return False
        db.allow_idling(_IDLE_SECONDS + 3 * _seconds)
        outcome = _attempt(mail)
        _settle(mail.id, outcome)
    _sent_here.discard(mail.id)
    return outcome.goes_on


def _next_on_sqlite() -> bool:
    with lockfile.held(_lock_path) as is_ours:
        if not is_ours:
            return False
        with db.unit_of_work(writes=False):
            mail = db.session().execute(_due()).first()
            if mail is None:
                return False
            outcome = _attempt(mail)
        with db.unit_of_work():
            _settle(mail.id, outcome)
        _sent_here.discard(mail.id)
        return outcome.goes_on


def _due() -> AnySelect:
    """Select the mail whose turn it is. Mails to one account keep their order: a later one waits for an earlier."""
    earlier = aliased(Mail)
    comes_first = exists().where(
        earlier.user_id == Mail.user_id,
        earlier.status == "pending",
        earlier.id < Mail.id,
        earlier.attempts <= _KEEPS_ITS_TURN,
    )
    due = (Mail.status == "pending", Mail.due_at <= clock.now(), or_(Mail.user_id.is_(None), ~comes_first))
    columns = (Mail.id, Mail.template, Mail.created_at, Mail.attempts)
    source = (Mail.request_id, Mail.trace_id, Mail.asked_by)
    return select(*columns, *source).where(*due).order_by(Mail.due_at, Mail.id).limit(1)


def _attempt(mail: Row) -> Outcome:
    with _as_work_of(mail):
        try:
            return _sent(mail)
        except (MailDelayed, NoTemplate) as error:
            return _put_off(mail, error.reason)
        except (Undecryptable, Unrenderable, MailRefused) as error:
            reason = "no secret of SECRET_KEY opens it" if isinstance(error, Undecryptable) else error.reason
            return _buried(mail, reason)
        except MailServerAway as error:
            # No attempt of this mail, and none of those behind it: the fault is not theirs.
            log.warning("mail waits for its server", extra={"reason": error.reason})
            return Outcome({"last_error": error.reason}, goes_on=False)


def _sent(mail: Row) -> Outcome:
    sealed = db.session().execute(select(Mail.sealed).where(Mail.id == mail.id)).scalar_one()
    letter = orjson.loads(sealed or b"{}")
    if letter.get("to") is None:
        return Outcome(None)
    if mail.id not in _sent_here:
        mailer.deliver(
            rendering.message(
                mail.template,
                mail_id=mail.id,
                to=letter["to"],
                context=letter["context"],
                created_at=mail.created_at,
            )
        )
        _sent_here.add(mail.id)
        log.info("mail sent", extra={"mail": str(mail.id), "template": mail.template})
    now = clock.now()
    return Outcome({"status": "sent", "sealed": None, "sent_at": now, "last_error": None, **_tried(mail)})


def _buried(mail: Row, reason: str) -> Outcome:
    log.error("mail is dead", extra={"mail": str(mail.id), "template": mail.template, "reason": reason})
    return Outcome({"status": "dead", "last_error": reason, **_tried(mail)})


def _put_off(mail: Row, reason: str) -> Outcome:
    if mail.attempts + 1 >= ATTEMPTS:
        return _buried(mail, reason)
    log.warning("mail is put off", extra={"mail": str(mail.id), "template": mail.template, "reason": reason})
    return Outcome({"due_at": clock.now() + wait_after(mail.attempts), "last_error": reason, **_tried(mail)})


def _tried(mail: Row) -> dict[str, int]:
    return {"attempts": mail.attempts + 1}


def wait_after(failures: int) -> timedelta:
    """Return how long to wait: doubling, and for each mail a bit different, so that they do not all come at once."""
    wait: timedelta = min(_FIRST_WAIT * 2**failures, _LONGEST_WAIT)
    return wait * (1 + _JITTER * secrets.randbelow(1000) / 1000)


def _settle(mail_id: UUID, outcome: Outcome) -> None:
    mine = Mail.id == mail_id
    statement = (
        delete(Mail).where(mine) if outcome.changes is None else update(Mail).where(mine).values(outcome.changes)
    )
    db.session().execute(statement.execution_options(synchronize_session=False))


@contextmanager
def _as_work_of(mail: Row) -> Iterator[None]:
    """Let log lines carry the ids of the request that caused the mail, however long ago that was."""
    source = Origin(
        request_id=mail.request_id or uuid7_text(),
        trace_id=mail.trace_id or origin.current().trace_id,
        user_id=mail.asked_by,
    )
    token = origin.begin(source)
    try:
        yield
    finally:
        origin.end(token)
