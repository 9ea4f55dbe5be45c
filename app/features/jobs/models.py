"""The timetable."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model


class Entry(Model):
    """When a task is due next. Whoever moves ``due_at`` on runs it; nobody else does."""

    __tablename__ = "timetable"

    task: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime]
    ran_at: Mapped[datetime | None]
