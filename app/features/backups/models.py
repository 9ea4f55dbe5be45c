"""What is known of backups, wherever their files are."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model


class BackupRecord(Model):
    """A backup that was made, and when it was last restored without a fault. Its file may be elsewhere by now."""

    __tablename__ = "backups"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    created_at: Mapped[datetime]
    size: Mapped[int]
    milliseconds: Mapped[int | None]
    verified_at: Mapped[datetime | None]
