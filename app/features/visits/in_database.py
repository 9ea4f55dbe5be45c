"""Visits in the database: one row for each page and day, and today's visitors."""

from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy import Result, delete, func, select

from app.features.visits.models import VisitCount, Visitor
from app.infra import db

_MOST_PAGES = 1000
OTHER = "(other)"


def count(page: str, day: date, visitor: str) -> None:
    """Count a visit in a transaction of its own. Beyond a thousand pages a day the rest is one."""
    with db.apart() as session:
        name = page if _has_room(page, day) else OTHER
        session.execute(
            db.upsert(VisitCount)
            .values(day=day, page=name, n=1)
            .on_conflict_do_update(index_elements=["day", "page"], set_={"n": VisitCount.n + 1})
        )
        added: Result[Any] = session.execute(
            db.upsert(Visitor).values(day=day, fingerprint=visitor).on_conflict_do_nothing().returning(Visitor.day)
        )
        if added.first() is not None:
            session.execute(delete(Visitor).where(Visitor.day < day))


def read(day: date) -> tuple[Counter[str], Counter[str], int]:
    """Return total and today by page, and unique visitors."""
    session = db.session()
    total = select(VisitCount.page, func.sum(VisitCount.n)).group_by(VisitCount.page)
    today = select(VisitCount.page, VisitCount.n).where(VisitCount.day == day)
    visitors = session.scalar(select(func.count()).select_from(Visitor).where(Visitor.day == day))
    return _counter(session.execute(total)), _counter(session.execute(today)), visitors or 0


def _has_room(page: str, day: date) -> bool:
    known = db.session().get(VisitCount, (day, page)) is not None
    pages = select(func.count()).select_from(VisitCount).where(VisitCount.day == day)
    return known or (db.session().scalar(pages) or 0) < _MOST_PAGES


def _counter(rows: Result[str, int]) -> Counter[str]:
    return Counter({page: int(number) for page, number in rows})
