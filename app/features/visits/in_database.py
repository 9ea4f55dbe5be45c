"""Visits in the database: one row for each page and day, and today's visitors."""

from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy import Date, Result, bindparam, delete, func, select

from app.features.visits.models import VisitCount, Visitor
from app.infra import db
from app.infra.query import Query, Row

_MOST_PAGES = 1000
OTHER = "(other)"

_DAY = bindparam("day", type_=Date)
_TOTAL = Query(select(VisitCount.page, func.sum(VisitCount.n).label("n")).group_by(VisitCount.page))
_TODAY = Query(select(VisitCount.page, VisitCount.n).where(VisitCount.day == _DAY))
_VISITORS = Query(select(func.count().label("n")).select_from(Visitor).where(Visitor.day == _DAY))


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
    return _counter(_TOTAL.rows()), _counter(_TODAY.rows(day=day)), _VISITORS.rows(day=day)[0].n


def _has_room(page: str, day: date) -> bool:
    known = db.session().get(VisitCount, (day, page)) is not None
    pages = select(func.count()).select_from(VisitCount).where(VisitCount.day == day)
    return known or (db.session().scalar(pages) or 0) < _MOST_PAGES


def _counter(rows: list[Row]) -> Counter[str]:
    return Counter({row.page: int(row.n) for row in rows})
