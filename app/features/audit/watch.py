"""Verifies the chain on its own, a stretch each time, round after round: what it finds stands in the database.

What was verified once can be edited later, so each round begins again at the first row that is kept. A fault stays
until the chain is whole: the row where it was found is looked at again each time, and no round ends.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from app.core import clock
from app.features.audit import chain
from app.features.audit.models import AuditEvent, AuditWatch
from app.infra import db

log = logging.getLogger(__name__)

ROWS = 10_000
"""How many rows are looked at each time: with a look each minute, 14 million a day at a bounded cost."""

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of the chain: its fault if one was found, and when a round last ended without one."""

    fault: str | None = None
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A row, and the hash that the next one hangs on."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class _Look:
    """How far a look came, and whether that was the end."""

    place: _Place
    ended: bool = False
    fault: str | None = None


def watched() -> Watch:
    """Return what the last look left."""
    found = _kept()
    return Watch() if found is None else Watch(found.fault, found.verified_at)


def look() -> Watch:
    """Verify the next rows after those of the last look, or the first ones, and keep what was found."""
    with db.apart(writes=False):
        last = _kept()
        found = _look(last)
    if found.fault and (last is None or last.fault != found.fault):
        log.error("the audit chain is broken", extra={"fault": found.fault})
    ended_at = clock.now() if found.ended else None
    values = {
        "seq": 0 if found.ended else found.place.seq,
        "hash": "" if found.ended else found.place.hash,
        "fault": found.fault,
        "verified_at": ended_at or (last.verified_at if last else None),
    }
    statement = db.upsert(AuditWatch).values(id=1, **values)
    with db.apart():
        db.session().execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    return Watch(found.fault, values["verified_at"])  # type: ignore[arg-type]  # of a dict of everything


def _look(last: Row[*tuple[Any, ...]] | None) -> _Look:
    """Look, and once more if the front was let go meanwhile: rows that left in order are not missing."""
    while True:
        before = chain.ends()
        if before is None:
            return _Look(_Place(0, ""), fault="the head is missing")
        front = _Place(before.pruned_seq, before.pruned_hash or "")
        resumed = last is not None and last.seq > front.seq
        found = _walk(_Place(last.seq, last.hash) if last is not None and resumed else front, before)
        after = chain.ends()
        if found.fault is None or after is None or before.pruned_seq == after.pruned_seq:
            return found


def _walk(place: _Place, head: Row[*tuple[Any, ...]]) -> _Look:
    """Compare rows with their hashes and places; at the end of the trail also with the head."""
    if place.seq == head.pruned_seq and _is_any_at(place.seq):
        return _Look(place, fault=f"a row is before the kept part, which begins with row {place.seq + 1}")
    at_head = place.hash if place.seq == head.seq else None
    looked_at = 0
    for row in _rows_after(place.seq):
        if row.seq != place.seq + 1:
            return _Look(place, fault=f"row {place.seq + 1} is missing")
        if row.hash != chain.link(row, place.hash):
            return _Look(place, fault=f"row {row.seq} was changed")
        place, looked_at = _Place(row.seq, row.hash), looked_at + 1
        at_head = place.hash if place.seq == head.seq else at_head
    if looked_at == ROWS:
        return _Look(place)
    return _end(place, whole=at_head == head.hash)


def _end(place: _Place, *, whole: bool) -> _Look:
    """Say what is wrong with the last rows, if anything is."""
    if not whole:
        return _Look(place, fault=f"the rows after {place.seq} are missing")
    now = chain.ends()
    if now is None or now.seq < place.seq:
        return _Look(place, fault=f"row {place.seq} was added past the head")
    return _Look(place, ended=True)


def _kept() -> Row[*tuple[Any, ...]] | None:
    return db.session().execute(select(*AuditWatch.__table__.c)).one_or_none()


def _is_any_at(seq: int) -> bool:
    return db.session().scalar(select(AuditEvent.seq).where(AuditEvent.seq <= seq).limit(1)) is not None


def _rows_after(seq: int) -> Iterator[Row[*tuple[Any, ...]]]:
    """Read in batches, which bounds the memory."""
    for size in [_BATCH] * (ROWS // _BATCH) + [ROWS % _BATCH]:
        following = select(*AuditEvent.__table__.c).where(AuditEvent.seq > seq).order_by(AuditEvent.seq).limit(size)
        rows = db.session().execute(following).all()
        yield from rows
        if len(rows) < size or not rows:
            return
        seq = rows[-1].seq
