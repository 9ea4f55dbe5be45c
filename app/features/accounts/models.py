"""The people."""

from datetime import datetime

from sqlalchemy import Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.infra.columns import EMPTIED, Model

_LIVING = text("deleted_at IS NULL")


class User(Model):
    """A person. Keys are unique among the living, so an address can be used again once its owner was deleted."""

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_email_key", "email_key", unique=True, postgresql_where=_LIVING, sqlite_where=_LIVING),
        Index(
            "ix_users_username_key",
            "username_key",
            unique=True,
            postgresql_where=_LIVING,
            sqlite_where=_LIVING,
        ),
        Index("ix_users_created_at", "created_at", "id"),
        Index("ix_users_updated_at", "updated_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32), info=EMPTIED)
    username_key: Mapped[str] = mapped_column(String(32), info=EMPTIED)
    email: Mapped[str] = mapped_column(String(254), info=EMPTIED)
    email_key: Mapped[str] = mapped_column(String(254), info=EMPTIED)
    email_verified_at: Mapped[datetime | None] = mapped_column(info=EMPTIED)
    first_name: Mapped[str] = mapped_column(String(100), info=EMPTIED)
    last_name: Mapped[str] = mapped_column(String(100), info=EMPTIED)
    locale: Mapped[str | None] = mapped_column(String(35), info=EMPTIED)
    password_hash: Mapped[str | None] = mapped_column(String(255), info=EMPTIED)
    is_active: Mapped[bool] = mapped_column(default=True)
    mfa_enabled: Mapped[bool] = mapped_column(default=False, server_default=false(), info=EMPTIED)
    search_text: Mapped[str] = mapped_column(String(520), info=EMPTIED)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now, onupdate=clock.now)
    deleted_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
