"""Visits, where there is no Redis."""

from datetime import date

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.columns import Model


class VisitCount(Model):
    """How often a page was seen on a day."""

    __tablename__ = "visit_counts"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    page: Mapped[str] = mapped_column(String(200), primary_key=True)
    n: Mapped[int]


class Visitor(Model):
    """That somebody was here on a day, by a fingerprint that cannot be turned back. Kept for that day only."""

    __tablename__ = "visitors"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
