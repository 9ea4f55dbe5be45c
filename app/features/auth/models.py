"""Sessions, the keys that sign tokens, one-time codes, and the counters of guesses."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.ids import UUID, uuid7
from app.infra.columns import DELETED, Model, sealed_as


class Session(Model):
    """A sign-in. Every token names one; it is good only while the row is live: neither revoked nor expired."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id_id", "user_id", "id"),
        Index("ix_sessions_expires_at", "expires_at"),
        Index("ix_sessions_impersonator_id", "impersonator_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    gen: Mapped[int] = mapped_column(default=0)
    rotated_at: Mapped[datetime]
    auth_time: Mapped[datetime] = mapped_column(info=DELETED)
    methods: Mapped[list[str]] = mapped_column(JSON, info=DELETED)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime] = mapped_column(info=DELETED)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    ip: Mapped[str | None] = mapped_column(String(45), info=DELETED)
    user_agent: Mapped[str | None] = mapped_column(String(256), info=DELETED)
    reauthenticated_at: Mapped[datetime | None] = mapped_column(info=DELETED)
    impersonator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))


_ACTIVE, _NEXT = text("status = 'active'"), text("status = 'next'")


class SigningKey(Model):
    """A key pair. ``next`` is published before it signs, ``active`` signs, ``retired`` is believed for a while."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index("ix_signing_keys_active", "status", unique=True, postgresql_where=_ACTIVE, sqlite_where=_ACTIVE),
        Index("ix_signing_keys_next", "status", unique=True, postgresql_where=_NEXT, sqlite_where=_NEXT),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(8))
    private_key: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_as("signing-keys"))
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class ThrottleBucket(Model):
    """How many guesses were made in the window that began at ``window_start``. The name is an HMAC."""

    __tablename__ = "auth_throttle"
    __table_args__ = (Index("ix_auth_throttle_window_start", "window_start"),)

    bucket: Mapped[str] = mapped_column(String(80), primary_key=True)
    n: Mapped[int]
    window_start: Mapped[datetime]


class OneTimeCode(Model):
    """A random code that works once, for one purpose; only its hash is kept.

    ``user_id`` is None for a code that is nobody's: what was asked for an unknown address costs the same.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index("ix_one_time_codes_user_id_purpose", "user_id", "purpose"),
        Index("ix_one_time_codes_expires_at", "expires_at"),
    )

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, info=DELETED)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
