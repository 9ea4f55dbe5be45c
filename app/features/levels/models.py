"""The levels that hold for a time."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model


class LoggerLevel(Model):
    """A logger that writes more or less than usual until a time, in every process of every instance."""

    __tablename__ = "log_levels"

    logger: Mapped[str] = mapped_column(String(100), primary_key=True)
    level: Mapped[str] = mapped_column(String(8))
    until: Mapped[datetime]
    set_at: Mapped[datetime]
