"""Requests that carried an Idempotency-Key, and what they were answered."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model, sealed_as


class KeptAnswer(Model):
    """One request. Names are HMACs, the answer is encrypted; ``answer`` is NULL while the request runs."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_claimed_at", "claimed_at"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    claimed_at: Mapped[datetime]
    answer: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_as("idempotency", {"personal": "deleted after 24 hours"})
    )
