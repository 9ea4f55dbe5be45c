"""One-time passwords, recovery codes, passkeys."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.ids import UUID, uuid7
from app.infra.columns import DELETED, Model
from app.infra.sealed import Sealed


class Totp(Model):
    """The secret of somebody's authenticator. It counts once ``confirmed_at`` is set; each step is used once."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[bytes] = mapped_column(Sealed("totp_secrets.secret"), info=DELETED)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(info=DELETED)


class RecoveryCode(Model):
    """A code that stands in for a lost factor, once. Only its hash is kept."""

    __tablename__ = "recovery_codes"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    used_at: Mapped[datetime | None] = mapped_column(info=DELETED)


class Passkey(Model):
    """A credential of WebAuthn; the private part never leaves the authenticator."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True, info=DELETED)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, info=DELETED)
    sign_count: Mapped[int]
    transports: Mapped[list[str]] = mapped_column(JSON)
    aaguid: Mapped[str] = mapped_column(String(36), info=DELETED)
    backed_up: Mapped[bool]
    name: Mapped[str] = mapped_column(String(100), info=DELETED)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    last_used_at: Mapped[datetime | None] = mapped_column(info=DELETED)
