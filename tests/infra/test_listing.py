import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import bindparam, select

from app.core.errors import Invalid
from app.core.ids import BIGGEST, UUID, uuid7
from app.core.paging import Page, PageRequest
from app.infra import db, listing
from app.infra.listing import Listing
from tests.infra.things import Thing
from tests.world import World, counted_statements, settings

pytestmark = pytest.mark.usefixtures("things")

_C = Thing.__table__.c
LIST = Listing(
    select(*_C),
    orders={"id": (_C.id,), "number": (_C.number, _C.id), "at": (_C.at, _C.id), "ref": (_C.ref,), "name": (_C.name,)},
    filters={
        "least": _C.number >= bindparam("least", type_=_C.number.type),
        "name": _C.name.contains(bindparam("name", type_=_C.name.type)),
    },
)

NOON = datetime(2026, 1, 9, 12, tzinfo=UTC)
HOW_MANY = 25


@pytest.fixture(autouse=True)
def rows(things: None) -> list[int]:
    """Store some rows, of which many have the same number; return their ids."""
    with db.unit_of_work():
        made = [
            Thing(name=f"thing {at:02}", number=at % 3, at=NOON + timedelta(hours=at % 5), ref=uuid7())
            for at in range(HOW_MANY)
        ]
        db.session().add_all(made)
    return [thing.id for thing in made]


def walked(sort: str, **given: Any) -> Iterator[Page[Any]]:
    """Yield page after page by cursor, until there is no next."""
    page = LIST.page(PageRequest(cursor="", per_page=4), sort=sort, given=given)
    while page.has_next:
        yield page
        assert page.next_cursor
        page = LIST.page(PageRequest(cursor=page.next_cursor, per_page=4), sort=sort, given=given)
    yield page


def ids(page: Page[Any]) -> list[int]:
    return [row.id for row in page.items]


SORTS = [direction + name for name in ("id", "number", "at", "ref", "name") for direction in ("", "-")]


class TestByNumber:
    @pytest.mark.parametrize("sort", SORTS)
    def test_shows_every_row_once(self, sort: str, rows: list[int]) -> None:
        pages = [LIST.page(PageRequest(page=number, per_page=10), sort=sort) for number in (1, 2, 3)]

        assert sorted(number for page in pages for number in ids(page)) == rows
        assert [len(page.items) for page in pages] == [10, 10, 5]
        assert [page.has_next for page in pages] == [True, True, False]

    def test_beyond_the_end_is_empty(self) -> None:
        page = LIST.page(PageRequest(page=1000), sort="id")

        assert (list(page.items), page.has_next, page.total) == ([], False, HOW_MANY)

    def test_that_just_fits_has_no_next(self) -> None:
        page = LIST.page(PageRequest(per_page=HOW_MANY), sort="id")

        assert (len(page.items), page.has_next, page.next_cursor) == (HOW_MANY, False, None)

    def test_costs_two_statements_however_deep(self) -> None:
        with counted_statements() as seen:
            LIST.page(PageRequest(page=5, per_page=5), sort="number")

        assert len(seen) == 2


class TestByCursor:
    @pytest.mark.parametrize("sort", SORTS)
    def test_shows_every_row_once(self, sort: str, rows: list[int]) -> None:
        seen = [number for page in walked(sort) for number in ids(page)]

        assert sorted(seen) == rows

    @pytest.mark.parametrize("sort", SORTS)
    def test_shows_them_in_the_order_of_numbered_pages(self, sort: str) -> None:
        whole = LIST.page(PageRequest(per_page=HOW_MANY), sort=sort)

        seen = [number for page in walked(sort) for number in ids(page)]

        assert seen == ids(whole)

    def test_shows_descending_what_it_shows_ascending_from_the_other_end(self) -> None:
        upwards = [number for page in walked("number") for number in ids(page)]

        downwards = [number for page in walked("-number") for number in ids(page)]

        assert downwards == upwards[::-1]

    def test_keeps_its_filters(self) -> None:
        seen = [row.number for page in walked("number", least=2) for row in page.items]

        assert seen == [2] * 8

    def test_misses_nothing_when_rows_come_and_go_before_it(self, rows: list[int]) -> None:
        first = LIST.page(PageRequest(cursor="", per_page=10), sort="id")
        assert first.next_cursor
        with db.unit_of_work():
            db.session().delete(db.session().get_one(Thing, rows[0]))

        second = LIST.page(PageRequest(cursor=first.next_cursor, per_page=10), sort="id")

        assert ids(second) == rows[10:20]

    def test_costs_one_statement(self) -> None:
        first = LIST.page(PageRequest(cursor="", per_page=10), sort="number")

        with counted_statements() as seen:
            LIST.page(PageRequest(cursor=first.next_cursor, per_page=10), sort="number")

        assert len(seen) == 1


class TestCursor:
    @pytest.mark.parametrize("other", ["-id", "number", "ref"])
    def test_of_another_order_is_refused(self, other: str) -> None:
        page = LIST.page(PageRequest(cursor="", per_page=5), sort="id")

        with pytest.raises(Invalid) as refused:
            LIST.page(PageRequest(cursor=page.next_cursor), sort=other)

        assert list(refused.value.details) == ["cursor"]

    @pytest.mark.parametrize(
        ("sort", "values"),
        [
            pytest.param("id", ["1"], id="text for a number"),
            pytest.param("id", [True], id="true for a number"),
            pytest.param("id", [1.5], id="a fraction"),
            pytest.param("id", [None], id="null"),
            pytest.param("id", [BIGGEST + 1], id="a number beyond 64 bits"),
            pytest.param("id", [[1]], id="a list"),
            pytest.param("id", [], id="too few"),
            pytest.param("id", [1, 2], id="too many"),
            pytest.param("name", [1], id="a number for text"),
            pytest.param("name", ["a\0"], id="U+0000"),
            pytest.param("ref", ["no UUID"], id="no UUID"),
            pytest.param("at", ["yesterday", 1], id="no time"),
            pytest.param("at", ["0001-01-01T00:00:00+23:59", 1], id="a time out of range"),
        ],
    )
    def test_that_was_tampered_with_is_refused(self, sort: str, values: list[object]) -> None:
        cursor = base64.urlsafe_b64encode(orjson.dumps([f"things {sort}", *values])).decode()

        with pytest.raises(Invalid) as refused:
            LIST.page(PageRequest(cursor=cursor), sort=sort)

        assert list(refused.value.details) == ["cursor"]

    @pytest.mark.parametrize("cursor", ["x", "!!!!", "é", "bnVsbA", "WyJpZCIsMV0=====", "A" * 1000])
    def test_that_is_none_is_refused(self, cursor: str) -> None:
        with pytest.raises(Invalid):
            LIST.page(PageRequest(cursor=cursor), sort="id")

    @pytest.mark.parametrize(
        ("sort", "value"),
        [("id", -BIGGEST), ("id", BIGGEST), ("name", "x' OR 1=1 --"), ("ref", str(UUID(int=0)))],
    )
    def test_that_was_made_up_is_only_a_place(self, sort: str, value: object) -> None:
        cursor = base64.urlsafe_b64encode(orjson.dumps([f"things {sort}", value])).rstrip(b"=").decode()

        page = LIST.page(PageRequest(cursor=cursor, per_page=100), sort=sort)

        assert len(page.items) in {0, HOW_MANY}


class TestTotal:
    @pytest.mark.parametrize(
        ("cap", "count", "total", "exact"),
        [
            pytest.param(HOW_MANY + 1, "capped", HOW_MANY, True, id="below the cap"),
            pytest.param(HOW_MANY, "capped", HOW_MANY, True, id="at the cap"),
            pytest.param(HOW_MANY - 1, "capped", HOW_MANY - 1, False, id="beyond the cap"),
            pytest.param(0, "capped", 0, False, id="with a cap of nothing"),
            pytest.param(5, "exact", HOW_MANY, True, id="asked for exactly"),
            pytest.param(5, "none", None, True, id="not asked for"),
        ],
    )
    def test_is_counted_as_far_as_wanted(
        self, world: World, cap: int, count: Any, total: int | None, *, exact: bool
    ) -> None:
        world.reassembled = True
        listing.connect(settings(world.var, count_cap=cap))

        page = LIST.page(PageRequest(count=count), sort="id")

        assert (page.total, page.total_exact) == (total, exact)

    def test_counts_what_the_filters_leave(self) -> None:
        assert LIST.page(PageRequest(), sort="id", given={"least": 1}).total == 16

    def test_is_not_counted_by_cursor(self) -> None:
        assert LIST.page(PageRequest(cursor=""), sort="id").total is None


class TestFilters:
    def test_that_are_not_given_leave_everything(self) -> None:
        assert LIST.page(PageRequest(), sort="id", given={"least": None, "name": None}).total == HOW_MANY

    def test_hold_all_at_once(self) -> None:
        page = LIST.page(PageRequest(), sort="id", given={"least": 1, "name": "thing 0"})

        assert [row.name[-1] for row in page.items] == ["1", "2", "4", "5", "7", "8"]
