import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.core.paging import MAX_CURSOR_LENGTH, Page, PageRequest, page_of, read_cursor, write_cursor

_words = st.text(st.characters(codec="utf-8"), max_size=50)
_numbers = st.integers(-(2**63), 2**63 - 1)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class TestPageRequest:
    @pytest.mark.parametrize(("page", "per_page", "offset"), [(1, 20, 0), (2, 20, 20), (7, 100, 600)])
    def test_knows_how_many_rows_come_before(self, page: int, per_page: int, offset: int) -> None:
        assert PageRequest(page, per_page).offset == offset


class TestPage:
    def test_keeps_its_place_when_its_items_take_another_form(self) -> None:
        page = Page([1, 2], PageRequest(3, 2), has_next=True, next_cursor="x", total=9, total_exact=False)

        named = page.with_items(["one", "two"])

        assert named.items == ["one", "two"]
        assert (named.request, named.has_next, named.next_cursor) == (page.request, True, "x")
        assert (named.total, named.total_exact) == (9, False)


class TestPageOf:
    """Pages of what is all in memory."""

    @pytest.mark.parametrize(
        ("asked", "items", "has_next"),
        [
            pytest.param(PageRequest(1, 2), [1, 2], True, id="the first"),
            pytest.param(PageRequest(2, 2), [3, 4], True, id="the second"),
            pytest.param(PageRequest(3, 2), [5], False, id="the last"),
            pytest.param(PageRequest(4, 2), [], False, id="beyond"),
            pytest.param(PageRequest(1, 5), [1, 2, 3, 4, 5], False, id="all"),
            pytest.param(PageRequest(1, 2, cursor=""), [1, 2], True, id="the first by cursor"),
            pytest.param(PageRequest(1, 2, cursor=write_cursor("place", [4])), [5], False, id="the last by cursor"),
            pytest.param(PageRequest(1, 2, cursor=write_cursor("place", [2**63])), [], False, id="beyond by cursor"),
        ],
    )
    def test_are_slices(self, asked: PageRequest, items: list[int], *, has_next: bool) -> None:
        page = page_of([1, 2, 3, 4, 5], asked)

        assert (page.items, page.has_next) == (items, has_next)
        assert (page.next_cursor is not None) is has_next

    def test_go_on_where_the_cursor_says(self) -> None:
        first = page_of("abcde", PageRequest(1, 2))

        second = page_of("abcde", PageRequest(1, 2, cursor=first.next_cursor))

        assert (first.items, second.items) == ("ab", "cd")

    @pytest.mark.parametrize(
        ("asked", "total"),
        [
            (PageRequest(), 5),
            (PageRequest(count="exact"), 5),
            (PageRequest(count="none"), None),
            (PageRequest(cursor=""), None),
        ],
    )
    def test_are_counted_unless_told(self, asked: PageRequest, total: int | None) -> None:
        assert page_of("abcde", asked).total == total

    @pytest.mark.parametrize(
        "cursor", [write_cursor("place", ["2"]), write_cursor("place", [-1]), write_cursor("id", [2])]
    )
    def test_are_refused_to_a_cursor_that_is_none(self, cursor: str) -> None:
        with pytest.raises(Invalid):
            page_of("abcde", PageRequest(cursor=cursor))


class TestCursor:
    @given(order=_words, values=st.lists(_words | _numbers, min_size=1, max_size=3))
    def test_stands_for_the_values_it_was_made_of(self, order: str, values: list[str | int]) -> None:
        cursor = write_cursor(order, values)

        assert read_cursor(cursor, order, len(values)) == values

    @given(values=st.lists(_words | _numbers, min_size=1, max_size=3))
    def test_needs_no_escaping_in_an_address(self, values: list[str | int]) -> None:
        cursor = write_cursor("id", values)

        assert cursor.replace("-", "").replace("_", "").isalnum()

    def test_of_the_longest_sort_values_fits_the_parameter(self) -> None:
        assert len(write_cursor("-created_at", ["x" * 254, 2**63 - 1])) <= MAX_CURSOR_LENGTH

    @pytest.mark.parametrize(
        "cursor",
        [
            pytest.param(write_cursor("email", ["a", 1]), id="of another order"),
            pytest.param(write_cursor("-name", ["a", 1]), id="of the other direction"),
            pytest.param(write_cursor("name", ["a"]), id="too few values"),
            pytest.param(write_cursor("name", ["a", 1, 2]), id="too many values"),
            pytest.param(write_cursor("name", ["a", 1])[:-3], id="cut"),
            pytest.param(write_cursor("name", ["a", 1]) + "A", id="lengthened"),
            pytest.param(encoded(["name", "a", 1.5]), id="a fraction"),
            pytest.param(encoded(["name", "a", True]), id="a boolean"),
            pytest.param(encoded(["name", "a", None]), id="null"),
            pytest.param(encoded(["name", "a", ["b"]]), id="a list inside"),
            pytest.param(encoded({"name": 1}), id="an object"),
            pytest.param(encoded("name"), id="a string"),
            pytest.param(encoded([]), id="an empty list"),
            pytest.param("!!!", id="no base64"),
            pytest.param("\u00e9", id="no ASCII"),
            pytest.param("A", id="one letter"),
            pytest.param("e30=", id="padded"),
            pytest.param("_" * 1024, id="bytes that are no text"),
            pytest.param(encoded(["name"] * 9)[:100] + "[" * 100, id="brackets"),
        ],
    )
    def test_is_refused_on_any_other_list(self, cursor: str) -> None:
        with pytest.raises(Invalid) as refused:
            read_cursor(cursor, "name", 2)

        assert list(refused.value.details) == ["cursor"]

    @given(junk=st.text(max_size=200))
    def test_is_refused_whatever_it_is_replaced_by(self, junk: str) -> None:
        with pytest.raises(Invalid):
            read_cursor(junk, "name", 2)
