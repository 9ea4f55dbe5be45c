from dataclasses import asdict
from typing import Any

import pytest

from app.core.paging import Page, PageRequest
from app.web.application import Routes
from app.web.caller import public
from app.web.paging import PageQuery, pagination
from app.web.schemas import asks, returns
from tests.api import Api, a_role, an_admin
from tests.web.answers import failure
from tests.web.conftest import Layered
from tests.world import World

LISTS = ["/api/v1/users", "/api/v1/roles", "/api/v1/permissions", "/api/v1/audit-events", "/auth/sessions"]
BY_NUMBER = {"page", "per_page", "total_pages", "total_items", "has_next", "has_prev", "next_cursor"}


ROUTES = Routes("throwaway", __name__)


@ROUTES.get("/page")
@public
@asks(PageQuery)
@returns(dict[str, Any])
def show_what_was_asked(query: PageQuery) -> dict[str, Any]:
    return asdict(query.slice)


@pytest.fixture
def api(layered: Layered, world: World) -> Api:
    return Api(layered(ROUTES))


@pytest.fixture
def admin(api: Api) -> Api:
    return api.as_(an_admin())


@pytest.fixture
def roles(admin: Api) -> Api:
    """The service with seven roles: two built in and five more."""
    for _ in range(5):
        a_role()
    return admin


def place(api: Api, query: str) -> dict[str, Any]:
    return dict(api.get(f"/api/v1/roles?{query}").json["pagination"])


class TestParameters:
    @pytest.mark.parametrize("path", LISTS)
    def test_have_defaults_on_every_list(self, admin: Api, path: str) -> None:
        found = admin.get(path).json["pagination"]

        assert set(found) == BY_NUMBER
        assert (found["page"], found["per_page"], found["has_prev"]) == (1, 20, False)

    @pytest.mark.parametrize("path", LISTS)
    def test_may_ask_for_a_cursor_on_every_list(self, admin: Api, path: str) -> None:
        answer = admin.get(f"{path}?cursor=&per_page=1")

        assert set(answer.json["pagination"]) == {"next_cursor", "has_next"}
        assert len(answer.result) == 1

    @pytest.mark.parametrize("path", LISTS[1:])
    @pytest.mark.parametrize(("query", "named"), [("per_page=101", "per_page"), ("colour=red", "colour")])
    def test_are_an_allow_list_everywhere(self, admin: Api, path: str, query: str, named: str) -> None:
        answer = admin.get(f"{path}?{query}")

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == [named]

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            pytest.param("page=0", "page", id="page 0"),
            pytest.param("page=-1", "page", id="page -1"),
            pytest.param("page=x", "page", id="no page"),
            pytest.param("page=", "page", id="an empty page"),
            pytest.param("page=92233720368547759", "page", id="a page beyond all"),
            pytest.param("page=99999999999999999999", "page", id="a page of 20 digits"),
            pytest.param("per_page=0", "per_page", id="none on a page"),
            pytest.param("per_page=101", "per_page", id="101 on a page"),
            pytest.param("per_page=x", "per_page", id="no number on a page"),
            pytest.param("count=all", "count", id="another way to count"),
            pytest.param("limit=5", "limit", id="another name"),
            pytest.param("page=1&page=2", "page", id="two pages"),
            pytest.param("page=1&cursor=", "cursor", id="page and cursor"),
            pytest.param("page=1&cursor=abc", "cursor", id="page and a wrong cursor"),
            pytest.param("cursor=%00", "cursor", id="U+0000 as a cursor"),
            pytest.param("cursor=" + "A" * 1025, "cursor", id="a long cursor"),
        ],
    )
    def test_are_held_to_their_bounds(self, api: Api, query: str, named: str) -> None:
        answer = api.get(f"/page?{query}")

        assert list(failure(answer, 422, "VALIDATION_ERROR")) == [named]

    def test_are_given_to_the_list(self, api: Api) -> None:
        by_number, by_cursor = api.get("/page?page=3&per_page=50&count=none"), api.get("/page?cursor=abc")

        assert by_number.result == {"page": 3, "per_page": 50, "cursor": None, "count": "none"}
        assert by_cursor.result == {"page": 1, "per_page": 20, "cursor": "abc", "count": "capped"}

    @pytest.mark.parametrize("path", LISTS)
    def test_hold_no_cursor_that_is_none(self, admin: Api, path: str) -> None:
        answers = [admin.get(f"{path}?cursor={cursor}") for cursor in ("abc", "%C3%A9", "e30", "W10")]

        assert [list(failure(answer, 422, "VALIDATION_ERROR")) for answer in answers] == [["cursor"]] * 4

    @pytest.mark.parametrize("path", LISTS)
    def test_may_be_as_large_as_they_say(self, admin: Api, path: str) -> None:
        answer = admin.get(f"{path}?page=92233720368547758&per_page=100")

        assert answer.result == []
        assert answer.json["pagination"]["has_next"] is False


class TestByNumber:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param("per_page=3", (1, 3, 3, 7, True, False), id="the first"),
            pytest.param("per_page=3&page=2", (2, 3, 3, 7, True, True), id="the middle"),
            pytest.param("per_page=3&page=3", (3, 3, 3, 7, False, True), id="the last"),
            pytest.param("per_page=3&page=4", (4, 3, 3, 7, False, True), id="beyond the last"),
            pytest.param("per_page=7", (1, 7, 1, 7, False, False), id="all, exactly"),
            pytest.param("per_page=100", (1, 100, 1, 7, False, False), id="more than all"),
        ],
    )
    def test_says_where_it_stands(self, roles: Api, query: str, expected: tuple[Any, ...]) -> None:
        found = place(roles, query)

        assert tuple(found[name] for name in ("page", "per_page", "total_pages", "total_items")) == expected[:4]
        assert (found["has_next"], found["has_prev"]) == expected[4:]
        assert (found["next_cursor"] is not None) == found["has_next"]

    def test_gives_each_item_once(self, roles: Api) -> None:
        pages = [roles.get(f"/api/v1/roles?per_page=3&page={number}").result for number in (1, 2, 3, 4)]

        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert len({role["id"] for page in pages for role in page}) == 7

    def test_goes_on_by_cursor(self, roles: Api) -> None:
        cursor = place(roles, "per_page=3")["next_cursor"]

        by_cursor, by_number = (roles.get(f"/api/v1/roles?per_page=3&{way}") for way in (f"cursor={cursor}", "page=2"))

        assert by_cursor.result == by_number.result

    def test_of_nothing_is_an_empty_page(self, admin: Api) -> None:
        answer = admin.get("/api/v1/users?q=nobody-has-this")

        assert answer.result == []
        assert answer.json["pagination"] == {
            "page": 1,
            "per_page": 20,
            "total_pages": 0,
            "total_items": 0,
            "has_next": False,
            "has_prev": False,
            "next_cursor": None,
        }


class TestPagination:
    """How a page is described, whatever is on it."""

    @staticmethod
    def page(total: int | None, **asked: Any) -> Page[int]:
        return Page([1], PageRequest(**asked), has_next=True, next_cursor="x", total=total)

    @pytest.mark.parametrize(
        ("total", "per_page", "pages"), [(0, 20, 0), (1, 20, 1), (20, 20, 1), (21, 20, 2), (100, 1, 100)]
    )
    def test_rounds_the_number_of_pages_up(self, total: int, per_page: int, pages: int) -> None:
        assert pagination(self.page(total, per_page=per_page))["total_pages"] == pages

    def test_leaves_totals_out_when_nobody_counted(self) -> None:
        assert set(pagination(self.page(None))) == BY_NUMBER - {"total_pages", "total_items"}

    def test_says_when_counting_stopped_early(self) -> None:
        stopped = Page([1], PageRequest(), has_next=True, total=100, total_exact=False)

        assert pagination(stopped)["total_exact"] is False
        assert "total_exact" not in pagination(self.page(100))

    def test_by_cursor_says_how_to_go_on_and_nothing_else(self) -> None:
        assert pagination(self.page(None, cursor="")) == {"next_cursor": "x", "has_next": True}
