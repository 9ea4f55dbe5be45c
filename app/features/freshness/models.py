"""Who wrote lately."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model


class RecentWriter(Model):
    """A user, and when they wrote last by the clock of the database. Rows live for an hour."""

    __tablename__ = "recent_writers"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    wrote_at: Mapped[datetime]
