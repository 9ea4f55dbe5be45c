"""Pages of a list, by number or by cursor (keyset): the cursor's cost does not grow with depth."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import orjson

from app.core.errors import Invalid

MAX_PER_PAGE = 100
MAX_CURSOR_LENGTH = 1024

T = TypeVar("T")
U = TypeVar("U")
Count = Literal["capped", "exact", "none"]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a client asks of a list. ``cursor`` is None in page style and empty for the first cursor page."""

    page: int = 1
    per_page: int = 20
    cursor: str | None = None
    count: Count = "capped"

    @property
    def offset(self) -> int:
        """Return how many rows come before this page."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list and where they stand in it. ``total`` is None when it was not counted."""

    items: Sequence[T]
    request: PageRequest
    has_next: bool
    next_cursor: str | None = None
    total: int | None = None
    total_exact: bool = True

    def with_items(self, items: Sequence[U]) -> "Page[U]":
        """Return the same page with its items in another form."""
        return Page(items, self.request, self.has_next, self.next_cursor, self.total, self.total_exact)


def page_of(items: Sequence[T], request: PageRequest) -> Page[T]:
    """Return one page of what is all in memory."""
    start = request.offset
    if request.cursor:
        [place] = read_cursor(request.cursor, "place", 1)
        if not isinstance(place, int) or place < 0:
            raise _foreign()
        start = place
    end = start + request.per_page
    has_next = end < len(items)
    return Page(
        items=items[start:end],
        request=request,
        has_next=has_next,
        next_cursor=write_cursor("place", [end]) if has_next else None,
        total=None if request.count == "none" or request.cursor is not None else len(items),
    )


def write_cursor(order: str, values: Sequence[str | int]) -> str:
    """Return an opaque cursor after the row with these sort values, valid for this order only."""
    return base64.urlsafe_b64encode(orjson.dumps([order, *values])).rstrip(b"=").decode()


def read_cursor(cursor: str, order: str, length: int) -> list[str | int]:
    """Return the sort values that a cursor stands for; raise Invalid for one that is not of this list."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise _foreign() from error
    fits = isinstance(values, list) and len(values) == length + 1 and values[0] == order
    if not fits or not all(type(value) in {str, int} for value in values):
        raise _foreign()
    return list(values[1:])


def _foreign() -> Invalid:
    return Invalid(details={"cursor": ["This cursor is not of this list and order. Begin again without it."]})
