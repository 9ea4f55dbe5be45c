"""GET /api/v1/audit-events."""

from typing import Any

import pytest

from app.core.paging import write_cursor
from app.core.permissions import EVERYTHING
from tests.api import Api, a_holder_of, a_role, a_user, an_admin
from tests.conftest import Clock

EVENTS = "/api/v1/audit-events"


@pytest.fixture
def reader(api: Api) -> Api:
    return api.as_(a_holder_of("audit:read"))


def names(api: Api, query: str) -> list[str]:
    return [event["event"] for event in api.get(f"{EVENTS}?per_page=100&{query}").result]


class TestAccess:
    def test_needs_the_permission_to_read_the_trail(self, api: Api, reader: Api) -> None:
        others = api.as_(a_holder_of(*EVERYTHING - {"audit:read"}))

        statuses = [client.get(EVENTS).status_code for client in (reader, others, api)]

        assert statuses == [200, 403, 401]


class TestShape:
    def test_has_what_happened_by_whom_to_whom_and_from_where(self, api: Api, reader: Api) -> None:
        person = a_user()
        api.at("203.0.113.7").sign_in(person)

        event = reader.get(EVENTS).result[0]

        assert event.keys() == {
            *("id", "at", "event", "outcome", "actor", "target"),
            *("ip", "user_agent", "request_id", "detail"),
        }
        assert event["event"] == "authn_login_success"
        assert event["outcome"] == "success"
        assert event["actor"] == {"type": "user", "id": str(person.id)}
        assert event["target"]["type"] == "session"
        assert event["ip"] == "203.0.113.7"
        assert event["detail"] == {"methods": ["pwd"]}


class TestPaging:
    def test_is_newest_first(self, reader: Api) -> None:
        made = [a_role() for _ in range(3)]

        shown = [event["detail"]["name"] for event in reader.get(f"{EVENTS}?event=role_created").result]

        assert shown[:3] == made[::-1]

    def test_walks_every_event_once_by_page_and_by_cursor_alike(self, reader: Api) -> None:
        for _ in range(5):
            a_role()
        everything = [event["id"] for event in reader.get(f"{EVENTS}?per_page=100").result]

        pages: list[str] = []
        for number in range(1, -(-len(everything) // 3) + 1):
            pages += [event["id"] for event in reader.get(f"{EVENTS}?page={number}&per_page=3").result]
        cursors: list[str] = []
        following: str | None = ""
        while following is not None:
            answer = reader.get(f"{EVENTS}?cursor={following}&per_page=3").json
            cursors += [event["id"] for event in answer["data"]]
            following = answer["pagination"]["next_cursor"]

        assert len(everything) > 6
        assert pages == everything
        assert cursors == everything

    def test_repeats_nothing_though_events_come_meanwhile(self, reader: Api) -> None:
        for _ in range(5):
            a_role()
        before = [event["id"] for event in reader.get(EVENTS).result]

        first = reader.get(f"{EVENTS}?cursor=&per_page=2").json
        a_role()
        rest = reader.get(f"{EVENTS}?cursor={first['pagination']['next_cursor']}&per_page=100").json

        assert [event["id"] for event in first["data"] + rest["data"]] == before

    def test_counts_up_to_the_cap(self, reader: Api) -> None:
        few = reader.get(EVENTS).json["pagination"]["total_items"]
        for _ in range(101):
            a_role()

        many = reader.get(EVENTS).json["pagination"]
        exact = reader.get(f"{EVENTS}?count=exact").json["pagination"]

        assert (many["total_items"], many["total_exact"]) == (100, False)
        assert exact["total_items"] == few + 101

    @pytest.mark.parametrize("cursor", ["x", write_cursor("-seq", ["1"]), write_cursor("-id", [1])])
    def test_refuses_a_cursor_that_is_not_its_own(self, reader: Api, cursor: str) -> None:
        answer = reader.get(f"{EVENTS}?cursor={cursor}")

        assert answer.status_code == 422
        assert list(answer.details) == ["cursor"]


class TestFilters:
    @pytest.fixture
    def story(self, api: Api, reader: Api) -> dict[str, Any]:
        """Let an administrator make and change somebody whom a nobody then fails to delete."""
        admin, nobody = an_admin(), a_user()
        made = api.as_(admin).post("/api/v1/users", {"username": "ada", "email": "ada@royal.test"}).result["id"]
        api.as_(admin).patch(f"/api/v1/users/{made}", {"first_name": "Ada"})
        api.as_(nobody).delete(f"/api/v1/users/{made}")
        return {"admin": admin.id, "nobody": nobody.id, "made": made}

    def test_keep_what_matches(self, reader: Api, story: dict[str, Any]) -> None:
        expected = {
            "event=user_updated": ["user_updated"],
            "outcome=failure": ["authz_fail"],
            "actor={nobody}": ["authz_fail", "authn_login_success"],
            "actor={admin}": ["user_updated", "authz_change", "user_created", "authn_login_success"],
            "target_type=user&target={made}": ["user_updated", "authz_change", "user_created"],
            "target={made}&event=authz_change": ["authz_change"],
            "actor={admin}&outcome=failure": [],
            "event=no_such_event": [],
            "actor=zorglub": [],
        }

        found = {query: names(reader, query.format_map(story)) for query in expected}

        assert found == expected

    def test_count_what_matches(self, reader: Api, story: dict[str, Any]) -> None:
        answer = reader.get(f"{EVENTS}?event=user_updated")

        assert answer.json["pagination"]["total_items"] == 1

    def test_begin_with_a_moment_and_end_before_another(self, clock: Clock, reader: Api) -> None:
        made = []
        for _ in range(3):
            clock.advance(minutes=1)
            made.append((clock.at.isoformat().replace("+", "%2B"), a_role()))
        (_, first), (since, second), (until, _) = made

        found = reader.get(f"{EVENTS}?event=role_created&since={since}&until={until}").result
        before = reader.get(f"{EVENTS}?event=role_created&until={since}").result

        assert [event["detail"]["name"] for event in found] == [second]
        assert before[0]["detail"]["name"] == first

    def test_understand_any_offset(self, api: Api, clock: Clock) -> None:
        clock.at = clock.at.replace(year=2026, month=1, day=9, hour=7, minute=0, second=0)
        reader = api.as_(a_holder_of("audit:read"))

        found = [
            len(reader.get(f"{EVENTS}?event=role_created&until=2026-01-09T{time}").result)
            for time in ("09:00:00%2B02:00", "09:00:01%2B02:00", "07:00:00Z", "07:00:00.001Z")
        ]

        assert found == [0, 1, 0, 1]

    def test_refuse_what_cannot_be(self, reader: Api) -> None:
        cases = [
            ("since", "yesterday"),
            ("since", "2026-01-09T07:00:00"),
            ("since", "0001-01-01T00:00:00%2B14:00"),
            ("until", "9999-12-31T23:59:59-14:00"),
            ("outcome", "unknown"),
            ("event", ""),
            ("event", "x" * 65),
            ("target", "a%00b"),
            ("actor", "x" * 41),
            ("ip", "127.0.0.1"),
            ("sort", "at"),
            ("q", "x"),
        ]

        answers = [reader.get(f"{EVENTS}?{field}={value}") for field, value in cases]

        assert [(answer.status_code, list(answer.details)) for answer in answers] == [
            (422, [field]) for field, _ in cases
        ]
