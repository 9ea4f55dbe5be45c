"""GET /, POST and GET /api/v1/visits, on Redis or in the database as the world has it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from app.features.visits import in_database, on_redis
from tests.api import Api
from tests.conftest import Clock
from tests.world import World

VISITS = "/api/v1/visits"
PAGE = {"Accept": "text/html,application/xhtml+xml"}


def browser(name: str) -> dict[str, str]:
    return {"User-Agent": name}


class TestStart:
    def test_counts_a_visit_and_tells_programs_the_numbers(self, api: Api) -> None:
        first, second = api.get("/"), api.get("/")

        assert (first.status_code, first.mimetype) == (200, "application/json")
        assert first.result == {
            "total": 1,
            "today": 1,
            "unique_visitors_today": 1,
            "pages": [{"page": "/", "total": 1, "today": 1}],
        }
        assert second.result["total"] == 2

    def test_counts_a_visit_and_shows_people_a_page(self, api: Api) -> None:
        for name in ("one", "other"):
            api.post(VISITS, headers=browser(name))

        answer = api.get("/", headers=PAGE)

        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert "<dt>Visits</dt><dd>3</dd>" in answer.text
        assert "<dt>Today</dt><dd>3</dd>" in answer.text
        assert "<dt>Visitors today</dt><dd>3</dd>" in answer.text
        assert 'href="/docs"' in answer.text

    def test_asks_nobody_who_they_are(self, api: Api) -> None:
        assert api.get("/", headers={"Authorization": "Bearer nonsense"}).status_code == 200


class TestCount:
    def test_counts_a_visit_to_the_page_that_it_names(self, api: Api) -> None:
        api.post(VISITS, {"page": "/prices"})
        answer = api.post(VISITS, {"page": "/prices"})

        assert answer.status_code == 201
        assert answer.result["pages"] == [{"page": "/prices", "total": 2, "today": 2}]

    @pytest.mark.parametrize("body", [None, {}], ids=["no body", "empty"])
    def test_counts_a_visit_to_the_start_unless_told_otherwise(self, api: Api, body: Any) -> None:
        assert api.post(VISITS, body).result["pages"] == [{"page": "/", "total": 1, "today": 1}]

    def test_refuses_what_is_no_page_and_what_nobody_sets(self, api: Api) -> None:
        pages = ("", "prices", "/a b", "/é", "/a?b=c", "/a#b", "/<script>", "/a\n", "/" + "x" * 200, None, 7)
        cases = [*(("page", page) for page in pages), ("day", "2026-01-09"), ("n", 7), ("visitor", "x")]

        answers = [api.post(VISITS, {"page": "/", field: value}) for field, value in cases]

        assert [(answer.status_code, list(answer.details)) for answer in answers] == [
            (422, [field]) for field, _ in cases
        ]
        assert api.get(VISITS).result["total"] == 0


class TestShow:
    def test_counts_nothing(self, api: Api) -> None:
        api.get("/")

        totals = [api.get(VISITS).result["total"] for _ in range(3)]

        assert totals == [1, 1, 1]

    def test_begins_with_nothing(self, api: Api) -> None:
        answer = api.get(VISITS)

        assert answer.status_code == 200
        assert answer.result == {"total": 0, "today": 0, "unique_visitors_today": 0, "pages": []}

    def test_adds_up_pages_the_most_seen_first(self, api: Api) -> None:
        for page in ("/a", "/b", "/b", "/c", "/b", "/c"):
            api.post(VISITS, {"page": page})

        shown = api.get(VISITS).result

        assert [(page["page"], page["total"]) for page in shown["pages"]] == [("/b", 3), ("/c", 2), ("/a", 1)]
        assert (shown["total"], shown["today"]) == (6, 6)


class TestParallelVisits:
    def test_are_all_counted(self, api: Api) -> None:
        start = Barrier(20)

        def visit(number: int) -> int:
            start.wait()
            return api.post(VISITS, {"page": "/prices"}, headers=browser(f"browser {number % 2}")).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = set(pool.map(visit, range(20)))

        shown = api.get(VISITS).result
        assert statuses == {201}
        assert (shown["total"], shown["unique_visitors_today"]) == (20, 2)


class TestVisitors:
    def test_are_told_apart_by_address_and_browser(self, api: Api) -> None:
        for address in ("203.0.113.7", "203.0.113.8"):
            for name in ("one", "other", "one"):
                api.at(address).get("/", headers=browser(name))

        shown = api.get(VISITS).result

        assert (shown["today"], shown["unique_visitors_today"]) == (6, 4)

    def test_are_the_same_on_every_page(self, api: Api) -> None:
        for page in ("/a", "/b"):
            api.post(VISITS, {"page": page})

        assert api.get(VISITS).result["unique_visitors_today"] == 1


class TestDays:
    def test_end_and_totals_stay(self, api: Api, clock: Clock) -> None:
        api.get("/", headers=browser("yesterday's"))
        api.post(VISITS, {"page": "/old"}, headers=browser("yesterday's"))
        clock.advance(days=1)
        api.get("/", headers=browser("today's"))

        shown = api.get(VISITS).result

        assert (shown["total"], shown["today"], shown["unique_visitors_today"]) == (3, 1, 1)
        assert shown["pages"] == [{"page": "/", "total": 2, "today": 1}, {"page": "/old", "total": 1, "today": 0}]

    def test_tell_nobody_from_their_visit_on_another(self, api: Api, clock: Clock) -> None:
        api.get("/")
        clock.advance(days=1)
        api.get("/")

        assert api.get(VISITS).result["unique_visitors_today"] == 1


class TestManyPages:
    @pytest.fixture(autouse=True)
    def _little_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for store in (on_redis, in_database):
            monkeypatch.setattr(store, "_MOST_PAGES", 3)

    def test_share_one_place_once_there_is_no_room(self, api: Api) -> None:
        for page in ("/1", "/2", "/3", "/4", "/5", "/5", "/1"):
            api.post(VISITS, {"page": page})

        shown = api.get(VISITS).result

        assert {page["page"]: page["total"] for page in shown["pages"]} == {"/1": 2, "/2": 1, "/3": 1, "(other)": 3}
        assert shown["total"] == 7


class TestLasting:
    def test_are_there_after_a_restart(self, world: World, api: Api) -> None:
        api.get("/")
        api.post(VISITS, {"page": "/prices"})
        before = api.get(VISITS).result

        restarted = Api(world.with_settings())

        assert before["total"] == 2
        assert restarted.get(VISITS).result == before
        assert restarted.get("/").result["unique_visitors_today"] == 1
