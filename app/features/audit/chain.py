"""The hash chain: each row covers the one before, so that an edited, missing or inserted row shows.

Whoever can write to the whole database can also write a new chain; keep the head that ``flask audit verify``
prints elsewhere, and compare with ``--expect``, to notice that too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import orjson
from sqlalchemy import select, update

from app.core import clock
from app.features.audit.models import AuditEvent, AuditHead
from app.infra import db

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found: the number of rows, the hash of the last one, and the first fault."""

    rows: int
    head: str
    fault: str | None = None


def append(event: AuditEvent) -> None:
    """Write an event behind the last one. The head's row lock puts parallel writers in order until they commit."""
    head = (
        db.session()
        .execute(
            update(AuditHead)
            .where(AuditHead.id == 1)
            .values(seq=AuditHead.seq + 1)
            .returning(AuditHead.seq, AuditHead.hash)
        )
        .one()
    )
    event.seq = head.seq
    event.hash = _link(event, head.hash)
    db.session().add(event)
    db.session().flush()
    db.session().execute(update(AuditHead).where(AuditHead.id == 1).values(hash=event.hash))


def verify() -> Verification:
    """Read the whole trail and compare each row with its hash, its place, and the head."""
    previous, count = "", 0
    for event in _all():
        if event.seq != count + 1:
            return Verification(count, previous, f"row {count + 1} is missing")
        if event.hash != _link(event, previous):
            return Verification(count, previous, f"row {event.seq} was changed")
        previous, count = event.hash, event.seq
    head = db.session().execute(select(AuditHead.seq, AuditHead.hash)).one_or_none()
    if head is None or (head.seq, head.hash) != (count, previous):
        return Verification(count, previous, f"the rows after {count} are missing")
    return Verification(count, previous)


def _all() -> Iterator[AuditEvent]:
    yield from db.session().scalars(select(AuditEvent).order_by(AuditEvent.seq).execution_options(yield_per=_BATCH))


def _link(event: AuditEvent, previous: str) -> str:
    row = [
        previous,
        event.seq,
        str(event.id),
        clock.rfc3339(event.at),
        event.event,
        event.outcome,
        event.actor_type,
        event.actor_id,
        event.target_type,
        event.target_id,
        event.ip,
        event.user_agent,
        event.request_id,
        event.detail,
    ]
    return sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()
