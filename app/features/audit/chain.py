"""The hash chain: each row covers the one before, so that an edited, missing or inserted row shows.

Whoever can write to the whole database can also write a new chain; keep the head that ``flask audit verify``
prints elsewhere, and compare with ``--expect``, to notice that too.

Rows beyond their time leave from the front, in order; what is kept then hangs on the hash of the last that left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

import orjson
from sqlalchemy import Row, Table, bindparam, delete, insert, select, update

from app.core import clock
from app.core.errors import Conflict
from app.core.ids import BIGGEST
from app.features.audit.models import AuditEvent, AuditHead
from app.infra import db, metrics


class BrokenChain(Conflict):
    """What does not verify is evidence: it is not let go."""

    code = "BROKEN_CHAIN"
    message = "The audit chain is broken among the oldest rows; none was let go. Run 'flask audit verify'."


_HEAD, _EVENTS = cast("Table", AuditHead.__table__), cast("Table", AuditEvent.__table__)
# Of tables and not of models: every write waits for the head, and the ORM would take twice as long with each of these.
_MOVE = update(_HEAD).where(_HEAD.c.id == 1).values(seq=_HEAD.c.seq + 1).returning(_HEAD.c.seq, _HEAD.c.hash)
_WRITE = insert(_EVENTS)
_CLOSE = update(_HEAD).where(_HEAD.c.id == 1).values(hash=bindparam("closing"))

_COLUMNS = tuple(_EVENTS.c.keys())

_IN_ORDER = select(AuditEvent).order_by(AuditEvent.seq).limit(1000)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found: the number of rows, the hash of the last one, and the first fault.

    ``begins`` is the number of the first row that is kept, ``pruned_at`` when those before it were last let go.
    """

    rows: int
    head: str
    fault: str | None = None
    begins: int = 1
    pruned_at: datetime | None = None


def append(event: AuditEvent) -> None:
    """Write an event behind the last one. The head's row lock puts parallel writers in order until they commit."""
    db.session().flush()  # before the lock, not under it
    connection = db.session().connection()
    head = connection.execute(_MOVE).one()
    event.seq = head.seq
    event.hash = link(event, head.hash)
    connection.execute(_WRITE, {column: getattr(event, column) for column in _COLUMNS})
    connection.execute(_CLOSE, {"closing": event.hash})
    db.after_commit(lambda: metrics.event(event.event, event.outcome))


def verify() -> Verification:
    """Read the whole trail and compare each row with its hash, its place, and the head.

    Others may write meanwhile, so the rows must reach the head that was read before them, and must not reach
    beyond the one that is read after them. If the front was let go meanwhile, it is read again.
    """
    while True:
        before = ends()
        found = _verify(before)
        after = ends()
        if found.fault is None or before is None or after is None or before.pruned_seq == after.pruned_seq:
            return found


def prune(*, before: datetime) -> int:
    """Let the oldest rows go, all of them older than ``before``; return how many, at most a batch.

    They go from the front and only while they are whole, so that a broken chain is never tidied away; the head
    keeps the hash that the kept part hangs on. Raises BrokenChain.
    """
    head = _locked_head()
    batch = db.session().scalars(_IN_ORDER.where(AuditEvent.seq > head.pruned_seq)).all()
    pruned: int = head.pruned_seq
    seq, previous = pruned, head.pruned_hash or ""
    for event in batch:
        if event.at >= before or event.seq >= head.seq:
            break
        if event.seq != seq + 1 or event.hash != link(event, previous):
            raise BrokenChain
        seq, previous = event.seq, event.hash
    if seq == pruned:
        return 0
    now = clock.now()
    _change_head(pruned_seq=seq, pruned_hash=previous, pruned_at=now)
    gone = delete(AuditEvent).where(AuditEvent.seq <= seq).execution_options(synchronize_session=False)
    db.session().execute(gone)
    return seq - pruned


def _verify(head: Row[*tuple[Any, ...]] | None) -> Verification:
    begins = 1 if head is None else head.pruned_seq + 1
    previous, seq = ("", 0) if head is None else (head.pruned_hash or "", head.pruned_seq)
    pruned_at = None if head is None else head.pruned_at
    at_head = previous if head is not None and head.seq == seq else ""

    def found(fault: str | None = None) -> Verification:
        return Verification(seq - begins + 1, previous, fault, begins, pruned_at)

    for event in _all():
        if event.seq < begins:
            return found(f"row {event.seq} is before the kept part, which begins with row {begins}")
        if event.seq != seq + 1:
            return found(f"row {seq + 1} is missing")
        if event.hash != link(event, previous):
            return found(f"row {event.seq} was changed")
        previous, seq = event.hash, event.seq
        if head is not None and seq <= head.seq:
            at_head = previous
    if head is None or seq < head.seq or at_head != head.hash:
        return found(f"the rows after {seq} are missing")
    last = ends()
    if last is None or last.seq < seq:
        return found(f"row {seq} was added past the head")
    return found()


def ends() -> Row[*tuple[Any, ...]] | None:
    """Return both ends of the chain."""
    return db.session().execute(select(*AuditHead.__table__.c)).one_or_none()


def _locked_head() -> Row[*tuple[Any, ...]]:
    return db.session().execute(select(*AuditHead.__table__.c).with_for_update()).one()


def _change_head(**values: object) -> None:
    db.session().execute(update(AuditHead).where(AuditHead.id == 1).values(**values))


def _all() -> Iterator[AuditEvent]:
    """Read in batches: a cursor on the server would keep a transaction open for as long as this takes."""
    begin = -BIGGEST - 1
    while batch := db.session().scalars(_IN_ORDER.where(AuditEvent.seq >= begin)).all():
        yield from batch
        begin = batch[-1].seq + 1


def link(event: AuditEvent | Row[*tuple[Any, ...]], previous: str) -> str:
    """Return the hash of an event that hangs on the hash of the one before."""
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
