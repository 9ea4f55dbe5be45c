from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.keyring import digest
from tests.api import Api, a_holder_of, a_user, an_admin
from tests.conftest import Clock
from tests.features.api_keys.looks import keys_of, live_keys_of
from tests.features.auth.looks import audited
from tests.features.auth.together import at_once
from tests.mails import letters
from tests.stepup import KEYS, a_key, stepped_up

BODY: dict[str, Any] = {"name": "a program", "scopes": []}
FIELDS = {"id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"}


class TestMake:
    def test_shows_the_secret_this_once(self, api: Api, clock: Clock) -> None:
        grace = stepped_up(api, a_holder_of("users:read", "roles:read"))

        answer = grace.post(KEYS, {"name": " backup ", "scopes": ["users:read"], "expires_in": 60})

        assert answer.status_code == 201
        key = answer.result
        assert key.keys() == FIELDS | {"secret"}
        assert UUID(key["id"]).version == 7
        assert (key["name"], key["scopes"], key["last_used_at"]) == ("backup", ["users:read"], None)
        assert key["secret"].startswith(key["prefix"])
        assert datetime.fromisoformat(key["created_at"]) == clock.at
        assert datetime.fromisoformat(key["expires_at"]) == clock.at + timedelta(seconds=60)
        [listed] = grace.get(KEYS).result
        assert listed == {name: key[name] for name in FIELDS}

    def test_lasts_90_days_unless_said_otherwise(self, api: Api, clock: Clock) -> None:
        key = a_key(api, a_user())

        assert datetime.fromisoformat(key["expires_at"]) == clock.at + timedelta(days=90)

    def test_stores_only_the_hash_of_the_secret(self, api: Api) -> None:
        grace = a_user()

        key = a_key(api, grace)

        [stored] = keys_of(grace)
        assert stored.hash == digest(key["secret"])
        assert stored.prefix == key["prefix"]

    def test_is_written_down_and_told_the_owner(self, api: Api) -> None:
        grace = a_holder_of("users:read")

        key = a_key(api, grace, "users:read", name="backup")

        [event] = audited("api_key_created")
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(grace.id), key["id"])
        assert event.detail == {"scopes": ["users:read"], "expires_at": key["expires_at"]}
        [letter] = letters("api_key_created")
        assert (letter.to, letter.context) == (grace.email, {"what": "backup"})

    def test_needs_a_proof_within_ten_minutes(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        fresh = api.as_(grace).post(KEYS, BODY)
        hers = stepped_up(api, grace)
        clock.advance(minutes=10)

        late = [hers.post(KEYS, BODY), hers.get(KEYS), hers.delete(f"{KEYS}/{uuid4()}")]

        assert [answer.code for answer in (fresh, *late)] == ["REAUTHENTICATION_REQUIRED"] * 4
        assert keys_of(grace) == []

    def test_takes_no_notice_of_an_idempotency_key_as_the_answer_is_not_kept(self, api: Api) -> None:
        grace = stepped_up(api, a_user())

        answers = [grace.post(KEYS, BODY, headers={"Idempotency-Key": "once"}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].result["secret"] != answers[1].result["secret"]


class TestScopes:
    def test_are_permissions_that_the_maker_holds(self, api: Api) -> None:
        grace = a_holder_of("users:read")

        answer = stepped_up(api, grace).post(KEYS, {"name": "x", "scopes": ["users:read", "users:write"]})

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert keys_of(grace) == []
        assert audited("authz_fail")[0].detail["permissions"] == ["users:write"]

    @pytest.mark.parametrize("scopes", [["users:fly"], ["*"], [""], ["USERS:READ"], [7], "users:read", None, {}])
    def test_are_known(self, api: Api, scopes: object) -> None:
        assert stepped_up(api, an_admin()).post(KEYS, {"name": "x", "scopes": scopes}).status_code == 422

    def test_are_kept_once_and_in_order(self, api: Api) -> None:
        key = a_key(api, an_admin(), "users:write", "users:read", "users:write")

        assert key["scopes"] == ["users:read", "users:write"]

    def test_may_be_none_and_must_be_said(self, api: Api) -> None:
        grace = stepped_up(api, a_user())

        assert grace.post(KEYS, {"name": "x", "scopes": []}).status_code == 201
        assert grace.post(KEYS, {"name": "x"}).status_code == 422


class TestBody:
    @pytest.mark.parametrize(
        "changed",
        [
            {"user_id": 1},
            {"prefix": "ak_aaaaaaaaaaaa"},
            {"hash": "0" * 64},
            {"secret": "mine"},
            {"id": "01a1fdb4-96cb-7666-9087-3e862957802c"},
            {"created_at": "2020-01-01T00:00:00.000Z"},
            {"expires_at": "2099-01-01T00:00:00.000Z"},
            {"revoked_at": None},
            {"last_used_at": None},
            {"name": ""},
            {"name": "   "},
            {"name": "a" * 101},
            {"name": "two\nlines"},
            {"name": None},
            {"expires_in": 0},
            {"expires_in": -1},
            {"expires_in": 365 * 86_400 + 1},
            {"expires_in": 2**70},
            {"expires_in": 1.5},
            {"expires_in": "60"},
            {"expires_in": True},
            {"expires_in": None},
        ],
        ids=str,
    )
    def test_is_refused_with_anything_else(self, api: Api, changed: dict[str, Any]) -> None:
        grace = a_user()

        answer = stepped_up(api, grace).post(KEYS, BODY | changed)

        assert (answer.status_code, list(answer.details)) == (422, list(changed))
        assert keys_of(grace) == []

    def test_may_ask_for_a_year(self, api: Api) -> None:
        assert stepped_up(api, a_user()).post(KEYS, BODY | {"expires_in": 365 * 86_400}).status_code == 201


class TestNumber:
    def test_is_limited_also_for_those_who_ask_at_once(self, api: Api) -> None:
        grace = a_user()
        hers = stepped_up(api, grace)
        for _ in range(46):
            hers.post(KEYS, BODY)

        answers = at_once(8, lambda _: hers.post(KEYS, BODY))

        assert sorted(answer.status_code for answer in answers) == [201] * 4 + [409] * 4
        assert {answer.code for answer in answers if answer.status_code == 409} == {"TOO_MANY_API_KEYS"}
        assert len(live_keys_of(grace)) == 50

    def test_counts_only_the_live_ones_of_the_maker(self, api: Api, clock: Clock) -> None:
        grace, ada = a_user(), a_user()
        hers = stepped_up(api, grace)
        made = [hers.post(KEYS, BODY | {"expires_in": 60}).result for _ in range(50)]

        full, others = hers.post(KEYS, BODY), stepped_up(api, ada).post(KEYS, BODY)
        hers.delete(f"{KEYS}/{made[0]['id']}")
        after_one_was_revoked = [hers.post(KEYS, BODY), hers.post(KEYS, BODY)]
        clock.advance(seconds=60)
        after_all_expired = hers.post(KEYS, BODY)

        assert (full.status_code, others.status_code) == (409, 201)
        assert [answer.status_code for answer in after_one_was_revoked] == [201, 409]
        assert after_all_expired.status_code == 201


class TestWhileLockedOut:
    def test_none_is_made_that_outlives_it(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        hers = stepped_up(api, grace)
        ban = (admin, "PATCH", f"/api/v1/users/{grace.id}", {"is_active": False})
        requests = [*[(hers, "POST", KEYS, BODY)] * 4, ban]

        answers = at_once(5, lambda number: requests[number][0].send(*requests[number][1:]))

        assert answers[4].status_code == 200
        assert {answer.status_code for answer in answers[:4]} <= {201, 401}
        assert live_keys_of(grace) == []


class TestList:
    def test_shows_ones_own_newest_first_page_by_page(self, api: Api) -> None:
        grace = a_user()
        made = [a_key(api, grace)["id"] for _ in range(3)]
        a_key(api, a_user())
        hers = stepped_up(api, grace)

        first = hers.get(f"{KEYS}?per_page=2&cursor=")
        second = hers.get(f"{KEYS}?per_page=2&cursor={first.json['pagination']['next_cursor']}")

        assert [key["id"] for key in (*first.result, *second.result)] == made[::-1]
        assert hers.get(KEYS).json["pagination"]["total_items"] == 3

    def test_never_shows_a_secret_or_a_hash(self, api: Api) -> None:
        grace = a_user()
        key = a_key(api, grace)

        text = stepped_up(api, grace).get(KEYS).text

        assert key["secret"] not in text
        assert key["secret"][16:59] not in text
        assert keys_of(grace)[0].hash not in text

    def test_keeps_what_expired_until_it_is_revoked(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        key = a_key(api, grace, expires_in=60)
        clock.advance(seconds=61)
        hers = stepped_up(api, grace)

        before = hers.get(KEYS).result
        hers.delete(f"{KEYS}/{key['id']}")

        assert [one["id"] for one in before] == [key["id"]]
        assert hers.get(KEYS).result == []


class TestRevoke:
    def test_ends_a_key_for_good_and_is_written_down(self, api: Api) -> None:
        grace = a_user()
        key, other = a_key(api, grace), a_key(api, grace)
        hers = stepped_up(api, grace)

        answers = [hers.delete(f"{KEYS}/{key['id']}") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [204, 404]
        assert [one["id"] for one in hers.get(KEYS).result] == [other["id"]]
        [event] = audited("api_key_revoked")
        assert event.target is not None
        assert event.target.id == key["id"]

    def test_finds_nobody_elses(self, api: Api) -> None:
        grace = a_user()
        key = a_key(api, grace)

        answers = [stepped_up(api, an_admin()).delete(f"{KEYS}/{one}") for one in (key["id"], uuid4())]

        assert [(answer.status_code, answer.code) for answer in answers] == [(404, "NOT_FOUND")] * 2
        assert len(live_keys_of(grace)) == 1
        assert audited("api_key_revoked") == []
