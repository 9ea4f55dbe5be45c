"""Who somebody is elsewhere."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.ids import UUID, uuid7
from app.infra.columns import DELETED, Model


class Identity(Model):
    """An account elsewhere that signs in to one here. Known by issuer and subject, never by its address."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(32), info=DELETED)
    issuer: Mapped[str] = mapped_column(String(255), info=DELETED)
    subject: Mapped[str] = mapped_column(String(255), info=DELETED)
    email: Mapped[str | None] = mapped_column(String(254), info=DELETED)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime | None] = mapped_column(info=DELETED)
