from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.api import Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.forge import claims_of
from tests.features.auth.looks import audited, live_sessions_of, sessions_of


def at_two_places(api: Api) -> tuple[Api, Api, Person]:
    """Sign somebody in twice; return both clients."""
    person = a_user()
    first = api.as_(person)
    api.sign_in(person)
    return first, api.as_(person), person


class TestList:
    def test_shows_what_its_owner_needs_to_recognise_a_session(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        api.headers["User-Agent"] = "Mozilla/5.0 (X11)"
        hers = api.at("2001:db8::7").as_(grace)

        answer = hers.get("/auth/sessions")

        assert answer.status_code == 200
        now = f"{clock.at:%Y-%m-%dT%H:%M:%S}.000Z"
        assert answer.result == [
            {
                "id": claims_of(grace.access_token)["sid"],
                "current": True,
                "created_at": now,
                "last_used_at": now,
                "expires_at": answer.result[0]["expires_at"],
                "ip": "2001:db8::7",
                "user_agent": "Mozilla/5.0 (X11)",
                "methods": ["pwd"],
            }
        ]
        lasts = datetime.fromisoformat(answer.result[0]["expires_at"]) - clock.at
        assert lasts.days == 30
        assert UUID(answer.result[0]["id"]).version == 7

    def test_marks_the_current_one_and_begins_with_the_newest(self, api: Api) -> None:
        first, second, _ = at_two_places(api)

        assert [session["current"] for session in first.get("/auth/sessions").result] == [False, True]
        assert [session["current"] for session in second.get("/auth/sessions").result] == [True, False]

    def test_shows_nobody_elses(self, api: Api) -> None:
        api.as_(an_admin())
        at_two_places(api)

        answer = api.as_(a_user()).get("/auth/sessions")

        assert len(answer.result) == 1

    def test_leaves_out_what_ended_or_expired(self, api: Api, clock: Clock) -> None:
        first, _, person = at_two_places(api)
        first.post("/auth/logout")
        clock.advance(days=30)
        api.sign_in(person)

        answer = api.as_(person).get("/auth/sessions")

        assert [session["current"] for session in answer.result] == [True]

    def test_is_paged_by_number(self, api: Api) -> None:
        _, second, _ = at_two_places(api)

        answer = second.get("/auth/sessions?page=2&per_page=1")

        assert [session["current"] for session in answer.result] == [False]
        assert (
            answer.json["pagination"].items()
            >= {
                "page": 2,
                "per_page": 1,
                "total_pages": 2,
                "total_items": 2,
                "has_next": False,
                "has_prev": True,
            }.items()
        )

    def test_is_paged_by_cursor(self, api: Api) -> None:
        _, second, _ = at_two_places(api)

        first_page = second.get("/auth/sessions?cursor=&per_page=1")
        cursor = first_page.json["pagination"]["next_cursor"]
        second_page = second.get(f"/auth/sessions?cursor={cursor}&per_page=1")

        assert [session["current"] for session in first_page.result] == [True]
        assert [session["current"] for session in second_page.result] == [False]
        assert second_page.json["pagination"] == {"next_cursor": None, "has_next": False}

    def test_notes_the_last_use_once_a_minute(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        hers, began = api.as_(grace), clock.at
        clock.advance(seconds=60)
        hers.get("/auth/me")
        within_a_minute = live_sessions_of(grace)[0].last_used_at
        clock.advance(seconds=1)

        hers.get("/auth/me")

        assert within_a_minute == began
        assert live_sessions_of(grace)[0].last_used_at == clock.at


class TestRevokeOne:
    def test_ends_it_on_the_next_request(self, api: Api) -> None:
        first, second, person = at_two_places(api)
        oldest = sessions_of(person)[0]

        answer = second.delete(f"/auth/sessions/{oldest.id}")

        assert (answer.status_code, answer.data) == (204, b"")
        assert first.get("/auth/me").status_code == 401
        assert second.get("/auth/me").status_code == 200

    def test_may_be_the_current_one(self, api: Api) -> None:
        first, second, person = at_two_places(api)
        oldest = sessions_of(person)[0]

        assert first.delete(f"/auth/sessions/{oldest.id}").status_code == 204

        assert first.get("/auth/me").status_code == 401
        assert second.get("/auth/me").status_code == 200

    def test_does_not_find_anothers_not_even_for_an_administrator(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        of_grace = sessions_of(grace)[0].id

        answer = api.as_(an_admin()).delete(f"/auth/sessions/{of_grace}")

        assert (answer.status_code, answer.code) == (404, "NOT_FOUND")
        assert hers.get("/auth/me").status_code == 200

    def test_says_of_anothers_what_it_says_of_none(self, api: Api) -> None:
        grace = a_user()
        api.as_(grace)
        bobs = api.as_(a_user())

        foreign = bobs.delete(f"/auth/sessions/{sessions_of(grace)[0].id}")
        missing = bobs.delete(f"/auth/sessions/{uuid4()}")

        assert foreign.json["error"] == missing.json["error"]
        assert foreign.status_code == missing.status_code == 404

    def test_does_not_find_one_that_ended(self, api: Api) -> None:
        first, second, person = at_two_places(api)
        first.post("/auth/logout")

        answer = second.delete(f"/auth/sessions/{sessions_of(person)[0].id}")

        assert answer.status_code == 404

    @pytest.mark.parametrize("name", ["1", "x", "0" * 32, "%00", "' OR 1=1"])
    def test_does_not_find_what_is_no_id(self, api: Api, name: str) -> None:
        assert api.as_(a_user()).delete(f"/auth/sessions/{name}").status_code == 404

    def test_is_audited(self, api: Api) -> None:
        first, _, person = at_two_places(api)
        session = sessions_of(person)[1]

        first.delete(f"/auth/sessions/{session.id}")

        event = audited("authn_token_revoked")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(person.id), str(session.id))


class TestRevokeOthers:
    @pytest.mark.parametrize("path", ["/auth/sessions", "/auth/sessions?except=current"])
    def test_ends_all_but_this(self, api: Api, path: str) -> None:
        first, second, _ = at_two_places(api)

        answer = second.delete(path)

        assert answer.status_code == 204
        assert first.get("/auth/me").status_code == 401
        assert second.get("/auth/me").status_code == 200

    def test_ends_nobody_elses(self, api: Api) -> None:
        bobs = api.as_(a_user())

        api.as_(a_user()).delete("/auth/sessions")

        assert bobs.get("/auth/me").status_code == 200

    @pytest.mark.parametrize("query", ["except=none", "except=", "all=1", "except=current&except=current"])
    def test_refuses_another_choice(self, api: Api, query: str) -> None:
        hers = api.as_(a_user())

        assert hers.delete(f"/auth/sessions?{query}").status_code == 422
        assert hers.get("/auth/me").status_code == 200

    def test_is_audited_with_their_number(self, api: Api) -> None:
        first, _, person = at_two_places(api)

        first.delete("/auth/sessions")

        event = audited("authn_token_revoked")[0]
        assert event.actor is not None
        assert event.actor.id == str(person.id)
        assert event.detail["sessions"] == 1


class TestWithoutCredentials:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/auth/sessions"),
            ("DELETE", "/auth/sessions"),
            ("DELETE", "/auth/sessions/018f0000-0000-7000-8000-000000000000"),
            ("GET", "/auth/me"),
            ("PATCH", "/auth/me"),
            ("POST", "/auth/password/change"),
        ],
    )
    def test_is_401(self, api: Api, method: str, path: str) -> None:
        answer = api.send(method, path)

        assert (answer.status_code, answer.code) == (401, "UNAUTHENTICATED")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
