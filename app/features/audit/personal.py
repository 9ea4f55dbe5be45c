"""What the trail holds of one person."""

from typing import Any

from sqlalchemy import func, or_, select

from app.features.audit.models import AuditEvent
from app.infra import db
from app.infra.held import plain

NEWEST = 10_000
"""How many events an export holds: its memory is bounded, whatever somebody did."""

_WHERE_FROM = ("ip", "user_agent", "request_id")


def held_of(user_id: int) -> dict[str, Any]:
    """Return the newest events by or about somebody.

    Where somebody else acted, from where they did is theirs and not shown.
    """
    theirs = or_(
        AuditEvent.actor_id == str(user_id),
        (AuditEvent.target_type == "user") & (AuditEvent.target_id == str(user_id)),
    )
    columns = [column for column in AuditEvent.__table__.c if column.name not in {"seq", "hash"}]
    newest = select(*columns).where(theirs).order_by(AuditEvent.seq.desc()).limit(NEWEST)
    events = [_shown(dict(row._mapping), user_id) for row in db.session().execute(newest)]  # noqa: SLF001 -- SQLAlchemy's public name
    total = db.session().scalar(select(func.count()).select_from(AuditEvent).where(theirs)) or 0
    return {"total": total, "newest": events}


def _shown(event: dict[str, Any], user_id: int) -> dict[str, Any]:
    theirs = event["actor_id"] in {None, str(user_id)} and "impersonator" not in event["detail"]
    return {name: plain(value) if theirs or name not in _WHERE_FROM else None for name, value in event.items()}
