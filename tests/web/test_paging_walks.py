"""Walking through a list page by page while it changes: the promise of cursors, over the whole service."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api import Api, a_user, an_admin, some_users
from tests.web.answers import failure

SORTS = [f"{sign}{name}" for name in ("id", "username", "email", "created_at", "updated_at") for sign in ("", "-")]
PER_PAGE = 4


@pytest.fixture
def admin(api: Api) -> Api:
    """An administrator of a dozen and more users, most of them made in the same instant."""
    admin = api.as_(an_admin(username="zoe"))
    some_users(10)
    for name in ("Bob", "alice", "Carol"):
        a_user(username=name)
    return admin


def by_number(api: Api, sort: str) -> list[int]:
    """Return the ids of all users, in numbered pages."""
    found: list[int] = []
    page = 1
    while True:
        answer = api.get(f"/api/v1/users?sort={sort}&per_page={PER_PAGE}&page={page}")
        found += [user["id"] for user in answer.result]
        page += 1
        if not answer.json["pagination"]["has_next"]:
            return found


def by_cursor(api: Api, sort: str, between: Callable[[], object] = lambda: None) -> Iterator[int]:
    """Yield the ids of all users page by page, and do something between the pages."""
    cursor: str | None = ""
    while cursor is not None:
        answer = api.get(f"/api/v1/users?sort={sort}&per_page={PER_PAGE}&cursor={cursor}")
        yield from (user["id"] for user in answer.result)
        cursor = answer.json["pagination"]["next_cursor"]
        between()


def first_cursor(api: Api, path: str) -> str:
    separator = "&" if "?" in path else "?"
    return str(api.get(f"{path}{separator}per_page=1&cursor=").json["pagination"]["next_cursor"])


class TestWalk:
    @pytest.mark.parametrize("sort", SORTS)
    def test_by_cursor_shows_what_numbered_pages_show(self, admin: Api, sort: str) -> None:
        assert list(by_cursor(admin, sort)) == by_number(admin, sort)

    @pytest.mark.parametrize("sort", SORTS)
    def test_by_cursor_misses_and_repeats_nobody_while_others_arrive(self, admin: Api, sort: str) -> None:
        before = by_number(admin, sort)

        seen = list(by_cursor(admin, sort, between=arrivals()))

        assert len(before) == 14
        assert [user for user in seen if user in set(before)] == before
        assert len(set(seen)) == len(seen)

    @pytest.mark.parametrize("sort", ["id", "-email", "created_at"])
    def test_by_cursor_misses_and_repeats_nobody_while_others_leave(self, admin: Api, sort: str) -> None:
        before = by_number(admin, sort)
        walk = by_cursor(admin, sort)
        seen = [next(walk) for _ in range(PER_PAGE + 1)]
        for user in (seen[1], before[-1]):
            assert admin.delete(f"/api/v1/users/{user}").status_code == 204

        seen += walk

        assert seen == before[:-1]

    @pytest.mark.parametrize("sort", ["username", "email"])
    def test_sorts_names_without_regard_to_case(self, admin: Api, sort: str) -> None:
        shown = admin.get(f"/api/v1/users?sort={sort}&per_page=100").result

        names = [user["username"].casefold() for user in shown]
        assert names == sorted(names)


class TestCursor:
    def test_of_another_order_is_refused(self, admin: Api) -> None:
        others = [sort for sort in SORTS if sort != "email"]
        cursors = [first_cursor(admin, f"/api/v1/users?sort={other}") for other in others]

        answers = [admin.get(f"/api/v1/users?sort=email&cursor={cursor}") for cursor in cursors]

        assert [list(failure(answer, 422, "VALIDATION_ERROR")) for answer in answers] == [["cursor"]] * len(others)

    def test_of_another_list_is_refused(self, admin: Api) -> None:
        cursor = first_cursor(admin, "/api/v1/users?sort=id")

        answers = [
            admin.get(f"{path}?cursor={cursor}") for path in ("/api/v1/roles", "/api/v1/audit-events", "/auth/sessions")
        ]

        assert [list(failure(answer, 422, "VALIDATION_ERROR")) for answer in answers] == [["cursor"]] * 3

    def test_that_was_tampered_with_is_refused(self, admin: Api) -> None:
        forged: list[list[Any]] = [
            ["id", "1"],
            ["id", 2**63],
            ["id", 1, 2],
            ["id", 1.5],
            ["email", 7, 1],
            ["email", "a\0b", 1],
            ["created_at", "yesterday", 1],
            ["created_at", "0001-01-01T00:00:00+14:00", 1],
            ["created_at", 0, 1],
        ]

        answers = [admin.get(f"/api/v1/users?sort={values[0]}&cursor={written(values)}") for values in forged]

        assert [list(failure(answer, 422, "VALIDATION_ERROR")) for answer in answers] == [["cursor"]] * len(forged)

    def test_shows_nothing_to_who_may_not_see_the_list(self, admin: Api) -> None:
        cursor = first_cursor(admin, "/api/v1/users")

        answer = admin.as_(a_user()).get(f"/api/v1/users?cursor={cursor}")

        assert failure(answer, 403, "FORBIDDEN") == {}

    def test_beyond_the_last_is_an_empty_page(self, admin: Api) -> None:
        answer = admin.get(f"/api/v1/users?cursor={written(['id', 2**63 - 1])}")

        assert answer.result == []
        assert answer.json["pagination"] == {"next_cursor": None, "has_next": False}


def written(values: list[Any]) -> str:
    """Return a cursor of the list of users, as anybody can make one up."""
    return base64.urlsafe_b64encode(json.dumps([f"users {values[0]}", *values[1:]]).encode()).rstrip(b"=").decode()


def arrivals() -> Callable[[], object]:
    """Return what makes a new user each time: one whose name comes first, then one whose name comes last, …"""
    names = (f"{letter}{number}-newcomer" for number in range(100) for letter in "0z")
    return lambda: a_user(username=next(names))
