from typing import Any
from uuid import uuid4

import pytest

from app.features.api_keys import secret as secrets
from tests.api import Api, Person, a_holder_of, a_role, a_user, an_admin
from tests.conftest import Clock
from tests.features.api_keys.looks import everything_stored, keys_of
from tests.features.auth.looks import audited, set_user
from tests.features.auth.together import at_once
from tests.stepup import KEYS, a_key, stepped_up, with_key
from tests.web.answers import failure
from tests.world import World, counted_statements

USERS, ME = "/api/v1/users", "/auth/me"


def as_header(api: Api, secret: str) -> Api:
    """Return a client that sends a key as X-API-Key."""
    return Api(api.app, None, {**api.headers, "X-API-Key": secret}, api.address)


def checked(body: str) -> str:
    """Return the rest of a secret with the checksum that belongs to it."""
    return f"{body}_{secrets._checksum(body)}"


def with_a_factor(person: Person) -> Person:
    """Let somebody have enrolled a second factor."""
    set_user(person, mfa_enabled=True)
    return person


class TestSend:
    def test_as_bearer_or_as_x_api_key(self, api: Api) -> None:
        key = a_key(api, a_holder_of("users:read"), "users:read")

        answers = [with_key(api, key).get(USERS), as_header(api, key["secret"]).get(USERS)]

        assert [answer.status_code for answer in answers] == [200, 200]

    def test_as_both_is_refused(self, api: Api) -> None:
        grace = a_holder_of("users:read")
        key = a_key(api, grace, "users:read")
        header = {"X-API-Key": key["secret"]}

        answers = [client.get(USERS, headers=header) for client in (with_key(api, key), api.as_(grace))]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{}, {}]
        assert "error=" in answers[0].headers["WWW-Authenticate"]

    def test_in_the_query_the_body_or_a_cookie_is_sent_to_nobody(self, api: Api) -> None:
        secret = a_key(api, a_user())["secret"]

        answers = [
            api.get(f"{ME}?api_key={secret}"),
            api.get(f"{ME}?access_token={secret}&X-API-Key={secret}"),
            api.get(ME, headers={"Cookie": f"X-API-Key={secret}; api_key={secret}"}),
            api.get(ME, headers={"Authorization": f"Basic {secret}"}),
            api.patch(ME, {"api_key": secret}),
        ]

        assert [failure(answer, 401, "UNAUTHENTICATED") for answer in answers] == [{}] * 5

    def test_as_x_api_key_works_for_keys_only(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)

        answers = [as_header(api, str(token)).get(ME) for token in (grace.access_token, grace.refresh_token, "", "x")]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{}] * 4

    @pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout", "/auth/logout?scope=global"])
    def test_to_where_tokens_go_is_refused(self, api: Api, path: str) -> None:
        grace = a_user()
        program = with_key(api, a_key(api, grace))

        answers = [program.post(path), api.post("/auth/refresh", {"refresh_token": program.token})]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{}, {}]
        assert api.as_(grace).get(ME).status_code == 200

    def test_to_public_routes_is_not_looked_at(self, api: Api) -> None:
        person = a_user()
        wrong = Api(api.app, "ak_wrong", {"X-API-Key": "ak_wrong"})

        answer = wrong.post("/auth/login", {"username": person.username, "password": person.password})

        assert answer.status_code == 200


class TestForged:
    def test_with_one_sign_changed_it_is_refused_before_anything_is_looked_up(self, api: Api) -> None:
        secret = a_key(api, a_user())["secret"]
        api.get(ME)

        with counted_statements() as seen:
            changed = [secret[:at] + "-x"[secret[at] == "-"] + secret[at + 1 :] for at in (5, 20, 62)]
            answers = [with_key(api, {"secret": other}).get(ME) for other in changed]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{}] * 3
        assert seen == []

    def test_with_another_secret_behind_the_prefix_and_the_right_checksum_it_is_refused(self, api: Api) -> None:
        grace = a_user()
        mine, other = a_key(api, grace)["secret"], a_key(api, grace)["secret"]

        answer = with_key(api, {"secret": checked(mine[:16] + other[16:59])}).get(ME)

        assert failure(answer, 401, "INVALID_TOKEN") == {}
        assert keys_of(grace)[0].last_used_at is None
        assert with_key(api, {"secret": checked(mine[:59])}).get(ME).status_code == 200

    @pytest.mark.parametrize(
        "changed", [lambda s: s + " x", lambda s: s + "," + s, lambda s: s.upper(), lambda s: "AK" + s[2:]]
    )
    def test_in_another_form_it_is_refused(self, api: Api, changed: Any) -> None:
        secret = a_key(api, a_user())["secret"]

        answers = [with_key(api, {"secret": changed(secret)}).get(ME), as_header(api, changed(secret)).get(ME)]

        assert [failure(answer, 401, "INVALID_TOKEN") for answer in answers] == [{}, {}]


class TestMayDo:
    def test_what_its_scopes_say_and_nothing_else(self, api: Api) -> None:
        program = with_key(api, a_key(api, an_admin(), "users:read"))

        assert program.get(USERS).status_code == 200
        assert program.post(USERS, {"username": "made", "email": "made@people.test"}).code == "FORBIDDEN"
        assert program.get("/api/v1/audit-events").code == "FORBIDDEN"

    def test_without_scopes_no_more_than_see_whose_it_is(self, api: Api) -> None:
        grace = an_admin()
        program = with_key(api, a_key(api, grace))

        answer = program.get(ME)

        assert (answer.result["id"], answer.result["permissions"]) == (grace.id, [])
        assert program.get(USERS).status_code == 403

    def test_with_scopes_me_shows_those_and_when_the_key_was_made(self, api: Api, clock: Clock) -> None:
        key = a_key(api, an_admin(), "users:read", "roles:read")
        clock.advance(hours=5)

        me = with_key(api, key).get(ME).result

        assert me["permissions"] == ["roles:read", "users:read"]
        assert me["auth_time"] == key["created_at"]

    def test_is_nothing_for_the_account_of_its_owner(self, api: Api) -> None:
        grace = an_admin()
        program = with_key(api, a_key(api, grace, "users:read", "users:write", "users:delete", "users:impersonate"))
        there = a_user()
        change = {"current_password": grace.password, "new_password": "Another-Horse-8-Staple"}

        answers = [
            program.patch(ME, {"first_name": "x"}),
            program.post("/auth/password/change", change),
            program.get("/auth/sessions"),
            program.delete("/auth/sessions"),
            program.delete(f"/auth/sessions/{uuid4()}"),
            program.get(KEYS),
            program.post(KEYS, {"name": "child", "scopes": []}),
            program.delete(f"{KEYS}/{keys_of(grace)[0].id}"),
            program.post(f"{USERS}/{there.id}/impersonate", {"reason": "They asked for it."}),
        ]

        assert [answer.code for answer in answers] == ["SESSION_REQUIRED"] * 9
        assert len(keys_of(grace)) == 1
        refused = audited("authz_fail")
        assert len(refused) == 9
        assert refused[0].detail == {"code": "SESSION_REQUIRED", "api_key": str(keys_of(grace)[0].id)}

    def test_is_nothing_to_its_owner_by_another_way_either(self, api: Api) -> None:
        grace = an_admin()
        program = with_key(api, a_key(api, grace, "users:read", "users:write", "users:delete"))
        mine = f"{USERS}/{grace.id}"

        answers = [
            program.patch(mine, {"email": "thief@people.test"}),
            program.put(mine, {"username": grace.username, "email": "thief@people.test", "roles": ["admin"]}),
            program.delete(mine),
            program.post(f"{mine}/sessions:revoke"),
        ]

        assert [answer.code for answer in answers] == ["PRIVILEGE_ESCALATION"] * 4
        assert api.as_(grace).get(ME).result["email"] == grace.email

    def test_is_not_to_give_what_it_lacks(self, api: Api) -> None:
        program = with_key(api, a_key(api, an_admin(), "users:write", "roles:write"))

        answers = [
            program.post(USERS, {"username": "made", "email": "made@people.test", "roles": ["admin"]}),
            program.post("/api/v1/roles", {"name": "more", "permissions": ["audit:read"]}),
            program.patch(f"{USERS}/{an_admin().id}", {"first_name": "x"}),
        ]

        assert [answer.code for answer in answers] == ["PRIVILEGE_ESCALATION"] * 3


class TestDies:
    def test_when_it_is_revoked(self, api: Api) -> None:
        grace = a_user()
        key = a_key(api, grace)
        program = with_key(api, key)
        before = program.get(ME)

        stepped_up(api, grace).delete(f"{KEYS}/{key['id']}")

        assert (before.status_code, program.get(ME).status_code) == (200, 401)

    def test_when_its_time_is_over(self, api: Api, clock: Clock) -> None:
        program = with_key(api, a_key(api, a_user(), expires_in=60))
        clock.advance(seconds=59)
        before = program.get(ME)
        clock.advance(seconds=1)

        assert (before.status_code, program.get(ME).status_code) == (200, 401)

    def test_for_good_when_its_owner_is_disabled_or_deleted(self, api: Api) -> None:
        grace, ada, admin = a_user(), a_user(), api.as_(an_admin())
        hers, adas = with_key(api, a_key(api, grace)), with_key(api, a_key(api, ada))

        admin.patch(f"{USERS}/{grace.id}", {"is_active": False})
        admin.delete(f"{USERS}/{ada.id}")
        gone = [hers.get(ME).status_code, adas.get(ME).status_code]
        admin.patch(f"{USERS}/{grace.id}", {"is_active": True})
        admin.post(f"{USERS}/{ada.id}/restore")

        assert gone == [401, 401]
        assert [hers.get(ME).status_code, adas.get(ME).status_code] == [401, 401]
        assert audited("api_key_revoked")[0].detail == {"keys": 1, "reason": "locked_out"}

    @pytest.mark.parametrize("state", [{"is_active": False}, {"deleted_at": "now"}], ids=str)
    def test_with_its_owner_also_behind_the_back_of_the_service(
        self, api: Api, clock: Clock, state: dict[str, Any]
    ) -> None:
        grace = a_user()
        program = with_key(api, a_key(api, grace))

        set_user(grace, **{name: clock.at if value == "now" else value for name, value in state.items()})

        assert program.get(ME).status_code == 401

    def test_in_part_when_its_owner_loses_a_right_until_they_have_it_again(self, api: Api) -> None:
        role = a_role("users:read")
        grace, admin = a_user(roles=(role,)), api.as_(an_admin())
        program = with_key(api, a_key(api, grace, "users:read"))

        seen = []
        for roles in (["user"], [role]):
            admin.patch(f"{USERS}/{grace.id}", {"roles": roles})
            seen.append(program.get(USERS).status_code)

        assert seen == [403, 200]

    def test_in_part_when_a_role_of_its_owner_changes(self, api: Api) -> None:
        admin = api.as_(an_admin())
        made = admin.post("/api/v1/roles", {"name": "readers", "permissions": ["users:read"]})
        program = with_key(api, a_key(api, a_user(roles=("readers",)), "users:read"))

        admin.patch(made.headers["Location"], {"permissions": []})

        assert program.get(USERS).status_code == 403
        assert program.get(ME).result["permissions"] == []

    def test_not_with_a_restart_nor_with_the_sessions_of_its_owner(self, api: Api, world: World) -> None:
        grace = a_user()
        kept, revoked = a_key(api, grace), a_key(api, grace)
        hers = stepped_up(api, grace)
        hers.delete(f"{KEYS}/{revoked['id']}")
        hers.post("/auth/logout?scope=global")

        again = Api(world.with_settings())

        assert [with_key(again, key).get(ME).status_code for key in (kept, revoked)] == [200, 401]


class TestSecondFactor:
    def test_is_asked_of_the_owner_where_a_role_needs_one(self, api: Api, world: World) -> None:
        grace = an_admin()
        key = a_key(api, grace, "users:read")
        with_a_factor(grace)
        program = with_key(Api(world.with_settings(mfa_required_roles=("admin",))), key)

        with_it = program.get(USERS)
        set_user(grace, mfa_enabled=False)
        without_it = program.get(USERS)

        assert with_it.status_code == 200
        assert failure(without_it, 403, "SECOND_FACTOR_REQUIRED") == {}
        assert program.get(ME).result["permissions"] == []


class TestUse:
    def test_is_noted_at_most_once_a_minute(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        program = with_key(api, a_key(api, grace))
        begin = clock.at

        noted = []
        for seconds in (0, 30, 31):
            clock.advance(seconds=seconds)
            program.get(ME)
            noted.append(keys_of(grace)[0].last_used_at)

        assert noted == [begin, begin, clock.at]

    def test_costs_one_statement(self, api: Api) -> None:
        program = with_key(api, a_key(api, an_admin(), "users:read"))
        program.get(ME)

        with counted_statements() as seen:
            program.get(ME)

        assert len(seen) == 1

    def test_for_the_first_time_is_written_down_once_also_when_many_use_it_at_once(self, api: Api) -> None:
        grace = a_user()
        key = a_key(api, grace)
        program = with_key(api, key)

        answers = at_once(8, lambda _: program.get(ME))

        assert [answer.status_code for answer in answers] == [200] * 8
        [event] = audited("api_key_used_first")
        assert event.actor is not None
        assert event.actor.id == str(grace.id)
        assert event.detail == {"api_key": key["id"]}

    def test_is_named_in_the_trail_beside_the_owner(self, api: Api) -> None:
        grace = an_admin()
        key = a_key(api, grace, "users:write")
        program = with_key(api, key)

        program.post(USERS, {"username": "made", "email": "made@people.test"})
        program.get("/api/v1/audit-events")

        made, refused = audited("user_created")[0], audited("authz_fail")[0]
        assert [event.actor and event.actor.id for event in (made, refused)] == [str(grace.id)] * 2
        assert [event.detail["api_key"] for event in (made, refused)] == [key["id"]] * 2

    def test_is_in_the_log_under_the_name_of_the_owner(self, api: Api, lines: list[bytes]) -> None:
        grace = a_user()
        program = with_key(api, a_key(api, grace))
        lines.clear()

        program.get(ME)

        assert f'"user_id":{grace.id}'.encode() in lines[-1]


class TestRepetitions:
    def test_are_each_keys_own(self, api: Api) -> None:
        grace = an_admin()
        first, second = (with_key(api, a_key(api, grace, "roles:write")) for _ in range(2))
        once = {"Idempotency-Key": "once"}

        answers = [client.post("/api/v1/roles", {"name": "made"}, headers=once) for client in (first, first, second)]

        assert [answer.status_code for answer in answers] == [201, 201, 409]
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true", None]


class TestCanary:
    def test_the_secret_is_in_no_line_and_no_row(self, api: Api, lines: list[bytes]) -> None:
        key = a_key(api, an_admin(), "users:read")
        program = with_key(api, key)

        program.get(USERS)
        program.get("/api/v1/roles")
        as_header(api, key["secret"]).get(ME)
        with_key(api, {"secret": key["secret"][:-1]}).get(ME)
        as_header(api, key["secret"] + "x").get(ME)
        api.get(f"{ME}?key={key['secret']}")
        api.post("/auth/refresh", {"refresh_token": key["secret"]})

        secret = key["secret"][16:59]
        assert secret not in b"".join(lines).decode()
        assert secret not in everything_stored()
        assert key["prefix"] in everything_stored()
