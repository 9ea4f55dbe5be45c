"""The timetable, and what is to be done once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.ids import UUID, uuid7
from app.infra.columns import DELETED, Model
from app.infra.sealed import Sealed

OPEN = text("status IN ('pending', 'running')")
"""Jobs that somebody may have to take. In words, as an index of some rows is used only for words of its own."""


class Entry(Model):
    """When a task is due next. Whoever moves ``due_at`` on runs it; nobody else does.

    ``failures`` counts those in a row, and ``last_error`` names the kind of the last of them.
    """

    __tablename__ = "timetable"

    task: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime]
    ran_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str | None] = mapped_column(String(64))


class Job(Model):
    """Something to be done once, written with the change that asks for it.

    ``status`` is pending, running, done or dead. ``due_at`` is when somebody may take it: while it runs, the end of
    its lease. ``attempts`` counts how often it was taken, and tells its present holder from those before.
    ``arguments`` is JSON, emptied once it is done; so is ``once``, which no two jobs share that are not done.
    ``user_id`` asked for it, ``about_id`` is whom its arguments are about.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_due_at", "due_at", postgresql_where=OPEN, sqlite_where=OPEN),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    task: Mapped[str] = mapped_column(String(64))
    arguments: Mapped[bytes | None] = mapped_column(Sealed("jobs.arguments"), info=DELETED)
    once: Mapped[str | None] = mapped_column(String(128), unique=True)
    status: Mapped[str] = mapped_column(String(8), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    trace_id: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(index=True)
    about_id: Mapped[int | None] = mapped_column(index=True)


AnyRow = Any
"""A row of ``jobs``, or some of its columns."""
