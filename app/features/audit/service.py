"""The door of audit: record, look up, verify, let go of what is beyond its time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, select

from app.core import clock, origin
from app.core.caller import OPERATOR, Caller
from app.core.config import Settings
from app.core.ids import UUID, uuid7
from app.core.paging import Page, PageRequest
from app.features.audit import chain
from app.features.audit.chain import BrokenChain, Verification, append, verify
from app.features.audit.models import AuditEvent
from app.features.audit.personal import held_of
from app.features.audit.watch import Watch, look, watched
from app.infra import db
from app.infra.listing import Listing
from app.infra.query import Row
from app.web import caller as callers
from app.web import freshness

__all__ = [
    "BrokenChain",
    "Event",
    "Party",
    "Verification",
    "Watch",
    "connect",
    "held_of",
    "list_events",
    "look",
    "prune",
    "record",
    "record_refusal",
    "verify",
    "watched",
]

Target = tuple[str, object]

_EVENTS = AuditEvent.__table__.c
_LIST = Listing(
    select(*_EVENTS),
    orders={"seq": (_EVENTS.seq,)},
    filters={
        **{
            name: _EVENTS[name] == bindparam(name, type_=_EVENTS[name].type)
            for name in ("event", "outcome", "actor_id", "target_type", "target_id")
        },
        "since": _EVENTS.at >= bindparam("since", type_=_EVENTS.at.type),
        "until": _EVENTS.at < bindparam("until", type_=_EVENTS.at.type),
    },
)

_kept = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Party:
    """Who acted, or what was acted on."""

    type: str
    id: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the trail."""

    id: UUID
    at: datetime
    event: str
    outcome: str
    actor: Party | None
    target: Party | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    detail: Mapping[str, Any]


def connect(settings: Settings) -> None:
    """Learn how long events are kept."""
    global _kept  # noqa: PLW0603 -- set once during assembly
    _kept = timedelta(days=settings.audit_retention_days)


def record(
    event: str,
    *,
    target: Target | None = None,
    outcome: Literal["success", "failure"] = "success",
    actor: Caller | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a line that is stored with the present transaction or not at all.

    ``event`` is of the OWASP Logging Vocabulary; ``actor`` is the caller unless said otherwise; ``detail`` names
    changed fields, and holds old and new values of roles only: never secrets, never personal data. What is done in
    somebody's name also names who did it, and what a program does the key that it used.
    """
    source = origin.current()
    who = actor or callers.current()
    impersonated = {} if who.impersonator_id is None else {"impersonator": str(who.impersonator_id)}
    with_key = {} if who.key_id is None else {"api_key": str(who.key_id)}
    line = AuditEvent(
        id=uuid7(),
        at=clock.now(),
        event=event,
        outcome=outcome,
        actor_type="operator" if who.trusted else "user" if who.user_id is not None else None,
        actor_id=None if who.user_id is None else str(who.user_id),
        target_type=target[0] if target else None,
        target_id=str(target[1]) if target else None,
        ip=source.ip,
        user_agent=source.user_agent,
        request_id=source.request_id,
        detail={**(detail or {}), **impersonated, **with_key},
    )
    db.before_commit(lambda: append(line))
    if outcome == "success":
        freshness.note(who)  # also who is known by a link or a token and not as the caller


def record_refusal(caller: Caller, permissions: frozenset[str], code: str) -> None:
    """Record that a caller was refused, for the lack of permissions or another reason; stored all the same."""
    with db.apart():
        lacking = {"permissions": sorted(permissions)} if permissions else {}
        detail = {**lacking, "code": code}
        record("authz_fail", outcome="failure", actor=caller, detail=detail)


def list_events(*, filters: Mapping[str, str | datetime | None], page: PageRequest) -> Page[Event]:
    """Return events that match, newest first."""
    found = _LIST.page(page, sort="-seq", given=filters)
    return found.with_items([_read(row) for row in found.items])


def prune(*, advance: Callable[[int], object] = lambda _: None) -> int:
    """Let go of events that are older than AUDIT_RETENTION_DAYS, oldest first; return how many.

    Each batch is a transaction of its own: killed in between, the chain is whole and the next run goes on.
    """
    before, total = clock.now() - _kept, 0
    while True:
        with db.apart():
            gone = chain.prune(before=before)
            if gone:
                record("sensitive_delete", actor=OPERATOR, detail={"audit_events": gone})
        if not gone:
            return total
        total += gone
        advance(gone)


def _read(row: Row) -> Event:
    return Event(
        id=row.id,
        at=row.at,
        event=row.event,
        outcome=row.outcome,
        actor=Party(row.actor_type, row.actor_id) if row.actor_type else None,
        target=Party(row.target_type, row.target_id) if row.target_type else None,
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
        detail=row.detail,
    )
