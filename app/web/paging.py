"""``?page=2&per_page=20`` or ``?cursor=…`` to a PageRequest, and a Page to the ``pagination`` of an answer."""

from typing import Annotated, Any

from pydantic import Field

from app.core.errors import Invalid
from app.core.ids import BIGGEST
from app.core.paging import MAX_CURSOR_LENGTH, MAX_PER_PAGE, Count, Page, PageRequest
from app.web.declaration import V, declare
from app.web.schemas import Query


class PageQuery(Query):
    """The parameters of every list; filters of one list are added by subclassing."""

    page: Annotated[int, Field(ge=1, le=BIGGEST // MAX_PER_PAGE)] | None = None
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None
    count: Count = "capped"

    @property
    def slice(self) -> PageRequest:
        """Return which page is asked for."""
        if self.page is not None and self.cursor is not None:
            raise Invalid(details={"cursor": ["Give page or cursor, not both."]})
        return PageRequest(self.page or 1, self.per_page, self.cursor, self.count)


def paged(view: V) -> V:
    """Declare that the view returns a Page of the declared items."""
    return declare(paged=True)(view)


def pagination(page: Page[Any]) -> dict[str, Any]:
    """Describe where a page stands: by number, or by cursor if the client asked so."""
    if page.request.cursor is not None:
        return {"next_cursor": page.next_cursor, "has_next": page.has_next}
    described: dict[str, Any] = {"page": page.request.page, "per_page": page.request.per_page}
    if page.total is not None:
        described["total_pages"] = -(-page.total // page.request.per_page)
        described["total_items"] = page.total
        if not page.total_exact:
            described["total_exact"] = False
    described["has_next"] = page.has_next
    described["has_prev"] = page.request.page > 1
    described["next_cursor"] = page.next_cursor
    return described
