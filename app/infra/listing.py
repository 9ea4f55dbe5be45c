"""Pages of a table, by number or by keyset, filtered and sorted by what the list allows.

A list is described once; each combination of filters and order that is asked for is compiled once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, literal, select, tuple_

from app.core.config import Settings
from app.core.errors import Invalid
from app.core.ids import BIGGEST, UUID
from app.core.paging import Page, PageRequest, read_cursor, write_cursor
from app.infra.query import AnySelect, Query, Row

Columns = tuple[ColumnElement[Any], ...]
Style = Literal["first", "skipped", "after"]

_count_cap = 10_000


def connect(settings: Settings) -> None:
    """Learn up to where lists count."""
    global _count_cap  # noqa: PLW0603 -- set once during assembly
    _count_cap = settings.count_cap


@dataclass(frozen=True, slots=True)
class _Shape:
    """A combination that is compiled once: which filters are given, which order, which way to the page."""

    filters: tuple[str, ...]
    order: str
    descending: bool
    style: Style = "first"


class Listing:
    """A list: its SELECT, its filters (clauses over ``bindparam``s of their own names) and its orders.

    The columns of an order end in a unique one, are selected, and are never NULL.
    """

    def __init__(
        self,
        statement: AnySelect,
        *,
        orders: Mapping[str, Columns],
        filters: Mapping[str, ColumnElement[bool]] | None = None,
    ) -> None:
        self._statement = statement
        self._name = str(next(iter(statement.selected_columns)).table.name)
        self._orders = orders
        self._filters = filters or {}
        self._pages = lru_cache(maxsize=256)(self._compile_page)
        self._counts = lru_cache(maxsize=128)(self._compile_count)

    def page(self, request: PageRequest, *, sort: str, given: Mapping[str, Any] | None = None) -> Page[Row]:
        """Return one page, sorted by an order's name (``-name`` for descending), filtered by what is not None.

        By cursor the cost is that of the first page at any depth; by number the rows before are skipped on keys
        only (a deferred join: 5 ms where OFFSET takes 150).
        """
        values = {name: value for name, value in (given or {}).items() if value is not None}
        style: Style = "after" if request.cursor else "skipped" if request.offset else "first"
        shape = _Shape(tuple(sorted(values)), sort.removeprefix("-"), sort.startswith("-"), style)
        where = self._place(request, shape)
        rows = self._pages(shape).rows(**values, **where, limit=request.per_page + 1)
        has_next = len(rows) > request.per_page
        items = rows[: request.per_page]
        total, exact = self._total(request, shape.filters, values)
        return Page(
            items=items,
            request=request,
            has_next=has_next,
            next_cursor=self._cursor(items[-1], shape) if has_next else None,
            total=total,
            total_exact=exact,
        )

    def _place(self, request: PageRequest, shape: _Shape) -> dict[str, Any]:
        if shape.style == "skipped":
            return {"offset": request.offset}
        if shape.style == "first" or request.cursor is None:
            return {}
        columns = self._orders[shape.order]
        values = read_cursor(request.cursor, self._signature(shape), len(columns))
        return {f"after_{at}": _decoded(values[at], column) for at, column in enumerate(columns)}

    def _compile_page(self, shape: _Shape) -> Query:
        columns = self._orders[shape.order]
        directions = [column.desc() if shape.descending else column.asc() for column in columns]
        limit = bindparam("limit", type_=BigInteger)
        statement = self._filtered(shape.filters)
        if shape.style == "after":
            edge = tuple_(*(bindparam(f"after_{at}", type_=column.type) for at, column in enumerate(columns)))
            statement = statement.where(tuple_(*columns) < edge if shape.descending else tuple_(*columns) > edge)
        if shape.style == "skipped":
            key = columns[-1]
            skipped = statement.with_only_columns(key.label("key")).order_by(*directions).limit(limit)
            keys = skipped.offset(bindparam("offset", type_=BigInteger)).subquery()
            statement = self._statement.where(key.in_(select(keys.c.key)))
        return Query(statement.order_by(*directions).limit(limit))

    def _total(self, request: PageRequest, filters: tuple[str, ...], values: dict[str, Any]) -> tuple[int | None, bool]:
        if request.count == "none" or request.cursor is not None:
            return None, True
        cap = BIGGEST - 1 if request.count == "exact" else _count_cap
        total: int = self._counts(filters).rows(**values, limit=cap + 1)[0].total
        return min(total, cap), total <= cap

    def _compile_count(self, filters: tuple[str, ...]) -> Query:
        counted = self._filtered(filters).with_only_columns(literal(1).label("one"), maintain_column_froms=True)
        capped = counted.limit(bindparam("limit", type_=BigInteger)).subquery()
        return Query(select(func.count().label("total")).select_from(capped))

    def _filtered(self, filters: tuple[str, ...]) -> AnySelect:
        return self._statement.where(*(self._filters[name] for name in filters))

    def _cursor(self, row: Row, shape: _Shape) -> str:
        values = [_encoded(getattr(row, str(column.key))) for column in self._orders[shape.order]]
        return write_cursor(self._signature(shape), values)

    def _signature(self, shape: _Shape) -> str:
        """Name the list and the order that a cursor belongs to: a place in one means nothing in another."""
        return f"{self._name} {'-' if shape.descending else ''}{shape.order}"


def _encoded(value: Any) -> str | int:  # noqa: ANN401 -- any value of a sort column
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def _decoded(value: str | int, column: ColumnElement[Any]) -> Any:  # noqa: ANN401 -- any value of a sort column
    """Read a value of a cursor as what the column holds; cursors can be tampered with."""
    wanted = column.type.python_type
    fits = type(value) is int and abs(value) <= BIGGEST if wanted is int else type(value) is str and "\0" not in value
    if not fits:
        raise _tampered()
    try:
        if wanted is datetime:
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        return UUID(str(value)) if wanted is UUID else value
    except (ValueError, OverflowError) as error:
        raise _tampered() from error


def _tampered() -> Invalid:
    return Invalid(details={"cursor": ["This cursor is not valid. Begin again without it."]})
