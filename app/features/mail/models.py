"""The outbox."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.ids import UUID, uuid7
from app.infra.columns import DELETED, Model
from app.infra.sealed import Sealed


class Mail(Model):
    """A mail that is to leave, or left. ``id`` makes its Message-ID, so a repetition can be told from another mail.

    ``sealed`` holds the recipient and what the template is filled with, as JSON; it is emptied once the mail left.
    ``status`` is pending, sent or dead. ``request_id``, ``trace_id`` and ``asked_by``, who is often not the one written
    to, are those of the request that caused the mail: its lines carry them, also after a restart.
    """

    __tablename__ = "mail_outbox"
    __table_args__ = (Index("ix_mail_outbox_status_due_at", "status", "due_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    template: Mapped[str] = mapped_column(String(64), info=DELETED)
    user_id: Mapped[int | None] = mapped_column(index=True)
    sealed: Mapped[bytes | None] = mapped_column(Sealed("mail_outbox.sealed"), info=DELETED)
    status: Mapped[str] = mapped_column(String(8), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(200), info=DELETED)
    request_id: Mapped[str | None] = mapped_column(String(64))
    trace_id: Mapped[str | None] = mapped_column(String(32))
    asked_by: Mapped[int | None]
