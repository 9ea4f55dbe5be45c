"""GET /api/v1/users by page and by cursor. Tests count up to COUNT_CAP=100."""

from typing import Any

import pytest

from app.core.paging import write_cursor
from tests.api import Answer, Api, a_user, an_admin, some_users
from tests.conftest import Clock

USERS = "/api/v1/users"
SORTS = ("id", "username", "email", "created_at", "updated_at")


def refused(answer: Answer) -> list[str]:
    """Return the parameters that a 422 complains of."""
    assert answer.status_code == 422, answer.text
    return list(answer.details)


def by_page(api: Api, query: str = "") -> list[dict[str, Any]]:
    """Walk the list by page numbers."""
    found: list[dict[str, Any]] = []
    number, has_next = 0, True
    while has_next:
        number += 1
        answer = api.get(f"{USERS}?page={number}&per_page=3{query}")
        found += answer.result
        has_next = answer.json["pagination"]["has_next"]
    return found


def by_cursor(api: Api, query: str = "", cursor: str = "") -> list[dict[str, Any]]:
    """Walk the list from cursor to cursor."""
    found: list[dict[str, Any]] = []
    following: str | None = cursor
    while following is not None:
        answer = api.get(f"{USERS}?cursor={following}&per_page=3{query}")
        found += answer.result
        following = answer.json["pagination"]["next_cursor"]
    return found


class TestPages:
    def test_describe_where_they_stand(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(44)

        answer = admin.get(f"{USERS}?page=2&per_page=20")

        assert answer.status_code == 200
        assert len(answer.result) == 20
        described = answer.json["pagination"]
        described.pop("next_cursor")
        assert described == {
            "page": 2,
            "per_page": 20,
            "total_pages": 3,
            "total_items": 45,
            "has_next": True,
            "has_prev": True,
        }

    def test_hold_twenty_users_and_begin_with_the_first(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(25)

        answer = admin.get(USERS)

        assert len(answer.result) == 20
        assert answer.json["pagination"]["page"] == 1
        assert answer.json["pagination"]["has_prev"] is False

    def test_end(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(5)

        last, beyond = (admin.get(f"{USERS}?page={page}&per_page=3").json for page in (2, 3))

        assert (len(last["data"]), last["pagination"]["has_next"]) == (3, False)
        assert (beyond["data"], beyond["pagination"]["has_next"]) == ([], False)

    def test_far_beyond_the_end_are_empty(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?page=92233720368547758&per_page=100")

        assert answer.status_code == 200
        assert answer.result == []

    def test_refuse_numbers_that_cannot_be(self, api: Api) -> None:
        admin = api.as_(an_admin())
        queries = ["page=0", "page=-1", "page=x", f"page={'9' * 20}", "per_page=0", "per_page=101", "per_page=1e1"]

        answers = [admin.get(f"{USERS}?{query}") for query in queries]

        assert [refused(answer) for answer in answers] == [[query.partition("=")[0]] for query in queries]


class TestTotals:
    def test_are_exact_up_to_the_cap(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(99)

        described = admin.get(USERS).json["pagination"]

        assert described["total_items"] == 100
        assert described.get("total_exact", True) is True

    def test_beyond_the_cap_are_the_cap_and_say_so(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(100)

        described = admin.get(USERS).json["pagination"]

        assert described["total_items"] == 100
        assert described["total_pages"] == 5
        assert described["total_exact"] is False

    def test_beyond_the_cap_are_exact_on_demand(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(104)

        described = admin.get(f"{USERS}?count=exact").json["pagination"]

        assert described["total_items"] == 105
        assert described["total_pages"] == 6
        assert described.get("total_exact", True) is True

    def test_are_left_out_on_demand(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(25)

        described = admin.get(f"{USERS}?count=none").json["pagination"]

        assert not {"total_items", "total_pages", "total_exact"} & described.keys()
        assert described["has_next"] is True

    def test_count_only_what_matches(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(3)

        totals = [admin.get(f"{USERS}?role=user&count={count}").json for count in ("capped", "exact")]

        assert [total["pagination"]["total_items"] for total in totals] == [4, 4]

    def test_refuse_other_ways_to_count(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?count=all")

        assert answer.status_code == 422
        assert "count" in answer.details


class TestPagesAfterTheCap:
    def test_are_still_reached(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(104)

        answer = admin.get(f"{USERS}?page=6&per_page=20")

        assert len(answer.result) == 5
        assert answer.json["pagination"]["has_next"] is False


class TestCursor:
    def test_describes_only_what_follows(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(5)

        first = admin.get(f"{USERS}?cursor=&per_page=3").json
        last = admin.get(f"{USERS}?cursor={first['pagination']['next_cursor']}&per_page=3").json

        assert first["pagination"].keys() == {"next_cursor", "has_next"}
        assert first["pagination"]["has_next"] is True
        assert last["pagination"] == {"next_cursor": None, "has_next": False}

    def test_neither_repeats_nor_skips_when_somebody_comes_meanwhile(self, api: Api) -> None:
        admin = api.as_(an_admin())
        some_users(5)
        there = {user["id"] for user in admin.get(USERS).result}

        first = admin.get(f"{USERS}?cursor=&per_page=3&sort=-id").json
        a_user()
        rest = by_cursor(admin, "&sort=-id", first["pagination"]["next_cursor"])

        walked = [user["id"] for user in [*first["data"], *rest]]
        assert sorted(walked) == sorted(there)

    def test_is_not_given_together_with_a_page(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?cursor=&page=1")

        assert answer.status_code == 422
        assert "cursor" in answer.details

    @pytest.mark.parametrize(
        ("sort", "cursors"),
        [
            ("id", ["x", "%21%21%21%21", "%C3%A9%C3%A9", "bnVsbA"]),
            ("id", [write_cursor("-id", [1]), write_cursor("username", ["a", 1]), write_cursor("id", [])]),
            ("id", [write_cursor("id", [value]) for value in ("1", 2**63, True)]),
            ("username", [write_cursor("username", ["a\0", 1])]),
            ("email", [write_cursor("email", [7, 1])]),
            ("created_at", [write_cursor("created_at", [at, 1]) for at in ("now", "0001-01-01T00:00:00+14:00", 7)]),
        ],
        ids=["junk", "of another list", "no number", "NUL", "no text", "no time"],
    )
    def test_is_refused_when_it_is_not_of_this_list(self, api: Api, sort: str, cursors: list[str]) -> None:
        admin = api.as_(an_admin())

        answers = [admin.get(f"{USERS}?sort={sort}&cursor={cursor}") for cursor in cursors]

        assert [refused(answer) for answer in answers] == [["cursor"]] * len(cursors)


class TestSort:
    @pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
    def test_walks_everybody_once_by_page_and_by_cursor_alike(self, api: Api, sort: str) -> None:
        admin = api.as_(an_admin())
        some_users(7)

        pages, cursors = by_page(admin, f"&sort={sort}"), by_cursor(admin, f"&sort={sort}")

        assert pages == cursors
        assert len({user["id"] for user in pages}) == len(pages) == 8

    @pytest.mark.parametrize("name", SORTS)
    def test_descending_is_ascending_turned_round(self, api: Api, clock: Clock, name: str) -> None:
        admin = api.as_(an_admin())
        some_users(4)  # at one moment: ties are broken by id
        clock.advance(seconds=1)
        some_users(3)

        up, down = (by_cursor(admin, f"&sort={sort}") for sort in (name, f"-{name}"))

        assert down == up[::-1]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("id", ["dora", "Ann", "bert", "CARL"]),
            ("created_at", ["dora", "Ann", "bert", "CARL"]),
            ("username", ["Ann", "bert", "CARL", "dora"]),
            ("email", ["CARL", "bert", "dora", "Ann"]),
            ("updated_at", ["dora", "bert", "CARL", "Ann"]),
        ],
    )
    def test_orders_by_what_it_names(self, api: Api, clock: Clock, name: str, expected: list[str]) -> None:
        clock.advance(minutes=-1)
        admin = api.as_(an_admin(username="dora", email="c@people.test"))
        clock.advance(seconds=1)
        ann = a_user(username="Ann", email="D@people.test")
        clock.advance(seconds=1)
        a_user(username="bert", email="b@people.test")
        clock.advance(seconds=1)
        a_user(username="CARL", email="A@people.test")
        clock.advance(seconds=1)
        admin.patch(f"{USERS}/{ann.id}", {"first_name": "Ann"})

        names = [user["username"] for user in admin.get(f"{USERS}?sort={name}").result]

        assert names == expected

    def test_refuses_other_names(self, api: Api) -> None:
        admin = api.as_(an_admin())

        answers = [
            admin.get(f"{USERS}?sort={sort}")
            for sort in ("password_hash", "-deleted_at", "first_name", "--id", "id,username", "")
        ]

        assert [refused(answer) for answer in answers] == [["sort"]] * 6


class TestQuery:
    def test_refuses_unknown_parameters(self, api: Api) -> None:
        admin = api.as_(an_admin())
        names = ["password_hash", "limit", "email", "is_active"]

        answers = [admin.get(f"{USERS}?{name}=1") for name in names]

        assert [refused(answer) for answer in answers] == [[name] for name in names]

    def test_refuses_a_parameter_given_twice(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?page=1&page=2")

        assert answer.status_code == 422
        assert list(answer.details) == ["page"]
