"""The audit trail and the head of its chain."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import UUID
from app.infra.columns import LOGGED, Model


class AuditEvent(Model):
    """One event. ``hash`` covers the row and the hash of the row before; a trigger refuses UPDATE and DELETE."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_event_seq", "event", "seq"),
        Index("ix_audit_events_actor_id_seq", "actor_id", "seq"),
        Index("ix_audit_events_target_seq", "target_type", "target_id", "seq"),
        Index("ix_audit_events_at", "at"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(unique=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    actor_type: Mapped[str | None] = mapped_column(String(16))
    actor_id: Mapped[str | None] = mapped_column(String(40), info=LOGGED)
    target_type: Mapped[str | None] = mapped_column(String(32))
    target_id: Mapped[str | None] = mapped_column(String(64), info=LOGGED)
    ip: Mapped[str | None] = mapped_column(String(45), info=LOGGED)
    user_agent: Mapped[str | None] = mapped_column(String(256), info=LOGGED)
    request_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, info=LOGGED)
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Model):
    """Both ends of the chain: one row, whose lock puts writers in order, and which shows that the last rows are there.

    ``pruned_seq`` and ``pruned_hash`` are the last row that was let go by age: the kept part hangs on it.
    """

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    pruned_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    pruned_hash: Mapped[str | None] = mapped_column(String(64))
    pruned_at: Mapped[datetime | None]


class AuditWatch(Model):
    """How far the chain was verified in the present round, and what was found: one row, the same for all processes.

    ``verified_at`` is when a round last ended at the head without a fault.
    """

    __tablename__ = "audit_watch"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    fault: Mapped[str | None] = mapped_column(String(200))
    verified_at: Mapped[datetime | None]
