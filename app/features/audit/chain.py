"""The hash chain: each row covers the one before, so that an edited, missing or inserted row shows.

Whoever can write to the whole database can also write a new chain; keep the head that ``flask audit verify``
prints elsewhere, and compare with ``--expect``, to notice that too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import orjson
from sqlalchemy import Row, select, update

from app.core import clock
from app.core.ids import BIGGEST
from app.features.audit.models import AuditEvent, AuditHead
from app.infra import db, metrics

_IN_ORDER = select(AuditEvent).order_by(AuditEvent.seq).limit(1000)


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
    db.after_commit(lambda: metrics.event(event.event, event.outcome))


def verify() -> Verification:
    """Read the whole trail and compare each row with its hash, its place, and the head.

    Others may write meanwhile, so the rows must reach the head that was read before them, and must not reach
    beyond the one that is read after them.
    """
    head = _head()
    previous, count, at_head = "", 0, ""
    for event in _all():
        if event.seq != count + 1:
            return Verification(count, previous, f"row {count + 1} is missing")
        if event.hash != _link(event, previous):
            return Verification(count, previous, f"row {event.seq} was changed")
        previous, count = event.hash, event.seq
        if head is not None and count <= head.seq:
            at_head = previous
    if head is None or count < head.seq or at_head != head.hash:
        return Verification(count, previous, f"the rows after {count} are missing")
    last = _head()
    if last is None or last.seq < count:
        return Verification(count, previous, f"row {count} was added past the head")
    return Verification(count, previous)


def _head() -> Row[int, str] | None:
    return db.session().execute(select(AuditHead.seq, AuditHead.hash)).one_or_none()


def _all() -> Iterator[AuditEvent]:
    """Read in batches: a cursor on the server would keep a transaction open for as long as this takes."""
    begin = -BIGGEST - 1
    while batch := db.session().scalars(_IN_ORDER.where(AuditEvent.seq >= begin)).all():
        yield from batch
        begin = batch[-1].seq + 1


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
