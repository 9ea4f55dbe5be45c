from datetime import datetime, timedelta
from typing import Any

import pytest

from app.core.permissions import EVERYTHING
from tests.api import USER_FIELDS, Api, a_holder_of, a_role, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.forge import changed, claims_of, header_of
from tests.features.auth.looks import audited, live_sessions_of, sessions_of, set_user
from tests.features.auth.together import at_once
from tests.mails import letters
from tests.stepup import a_key, as_another, proven, stepped_up, with_key
from tests.world import PASSWORD, World, counted_statements

REASON = "They asked for help."
BODY = {"reason": REASON}
ME = "/auth/me"


def path(user_id: int) -> str:
    return f"/api/v1/users/{user_id}/impersonate"


class TestStart:
    def test_gives_an_access_token_for_a_quarter_of_an_hour_and_nothing_more(self, api: Api, clock: Clock) -> None:
        admin, grace = an_admin(), a_user()

        answer = stepped_up(api, admin).post(path(grace.id), BODY)

        assert answer.status_code == 200
        assert answer.result.keys() == {"access_token", "token_type", "expires_in", "user"}
        assert (answer.result["token_type"], answer.result["expires_in"]) == ("Bearer", 900)
        assert answer.result["user"].keys() == USER_FIELDS
        token = answer.result["access_token"]
        claims = claims_of(token)
        assert header_of(token)["typ"] == "at+jwt"
        assert (claims["sub"], claims["act"]) == (str(grace.id), {"sub": str(admin.id)})
        assert claims["exp"] == int(clock.at.timestamp()) + 900

    def test_lets_do_what_the_user_may(self, api: Api) -> None:
        grace = a_holder_of("users:read")
        acting = as_another(api, an_admin(), grace)

        answers = [acting.get("/api/v1/users"), acting.get("/api/v1/roles"), acting.get(ME)]

        assert [answer.status_code for answer in answers] == [200, 403, 200]
        assert (answers[2].result["id"], answers[2].result["permissions"]) == (grace.id, ["users:read"])

    def test_is_a_session_that_the_user_sees(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        as_another(api.at("192.0.2.9"), an_admin(), grace)

        [own, other] = api.as_(grace).get("/auth/sessions").result

        assert (own["methods"], other["methods"]) == (["pwd"], ["impersonation"])
        assert (other["current"], other["ip"], other["user_agent"]) == (False, None, None)
        assert datetime.fromisoformat(other["expires_at"]) == clock.at + timedelta(minutes=15)

    def test_is_written_down_with_the_reason_and_told_the_user(self, api: Api) -> None:
        admin, grace = an_admin(), a_user()

        stepped_up(api, admin).post(path(grace.id), {"reason": f"  {REASON} "})

        [event] = audited("impersonation_started")
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(admin.id), str(grace.id))
        assert event.detail == {"reason": REASON, "session": str(live_sessions_of(grace)[0].id)}
        [letter] = letters("impersonated")
        assert (letter.to, letter.context) == (grace.email, {"reason": REASON})

    def test_is_no_sign_in_of_the_user(self, api: Api) -> None:
        grace = a_user()
        as_another(api, an_admin(), grace)

        assert [event.actor and event.actor.id for event in audited("authn_login_success")].count(str(grace.id)) == 0

    def test_does_not_make_the_address_one_that_the_user_is_known_at(self, api: Api) -> None:
        grace, strange = a_user(), api.at("192.0.2.9")
        as_another(strange, an_admin(), grace)

        with counted_statements() as seen:
            strange.post("/auth/login", {"username": grace.username, "password": "wrong"})

        reserved = [statement for statement in seen if statement.startswith("INSERT INTO auth_throttle")]
        assert len(reserved) == 3  # also the counter for addresses that are not known


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"reason": ""},
            {"reason": "short"},
            {"reason": " " * 20},
            {"reason": "a" * 201},
            {"reason": "two\nlines of it"},
            {"reason": None},
            {"reason": 12345678},
            {**BODY, "user_id": 1},
            {**BODY, "expires_in": 86_400},
            {**BODY, "impersonator_id": 1},
        ],
        ids=str,
    )
    def test_without_a_reason_or_with_anything_else(self, api: Api, body: dict[str, Any]) -> None:
        grace = a_user()

        assert stepped_up(api, an_admin()).post(path(grace.id), body).status_code == 422
        assert sessions_of(grace) == []

    def test_without_a_proof_within_ten_minutes(self, api: Api) -> None:
        assert api.as_(an_admin()).post(path(a_user().id), BODY).code == "REAUTHENTICATION_REQUIRED"

    def test_without_the_permission_whoever_it_is(self, api: Api) -> None:
        helper = stepped_up(api, a_holder_of(*EVERYTHING - {"users:impersonate"}))

        answers = [helper.post(path(user_id), BODY) for user_id in (a_user().id, an_admin().id, 10**9)]

        assert [(answer.status_code, answer.code) for answer in answers] == [(403, "FORBIDDEN")] * 3

    def test_for_an_administrator(self, api: Api) -> None:
        other = an_admin()

        answer = stepped_up(api, an_admin()).post(path(other.id), BODY)

        assert (answer.status_code, answer.code) == (403, "ADMINISTRATOR_NOT_IMPERSONATED")
        assert sessions_of(other) == []

    def test_for_oneself(self, api: Api) -> None:
        admin, helper = an_admin(), a_holder_of("users:impersonate")

        answers = [stepped_up(api, who).post(path(who.id), BODY) for who in (admin, helper)]

        assert [(answer.status_code, answer.code) for answer in answers] == [(409, "CANNOT_IMPERSONATE_YOURSELF")] * 2

    def test_for_somebody_who_may_do_more(self, api: Api) -> None:
        helper, grace = a_holder_of("users:impersonate", "users:read"), a_holder_of("users:write")

        answer = stepped_up(api, helper).post(path(grace.id), BODY)

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert sessions_of(grace) == []

    def test_for_who_is_disabled_deleted_or_nobody(self, api: Api) -> None:
        disabled, deleted = a_user(is_active=False), a_user()
        admin = stepped_up(api, an_admin())
        admin.delete(f"/api/v1/users/{deleted.id}")

        answers = [admin.post(path(user_id), BODY) for user_id in (disabled.id, deleted.id, 10**9)]

        assert [(answer.status_code, answer.code) for answer in answers] == [
            (409, "ACCOUNT_INACTIVE"),
            (404, "NOT_FOUND"),
            (404, "NOT_FOUND"),
        ]

    def test_to_a_key_and_to_who_acts_as_another_already(self, api: Api) -> None:
        helper, grace = a_holder_of("users:impersonate"), a_user()
        program = with_key(api, a_key(api, helper, "users:impersonate"))
        acting = as_another(api, an_admin(), helper)
        proven(helper)

        answers = [client.post(path(grace.id), BODY) for client in (program, acting)]

        assert [answer.code for answer in answers] == ["SESSION_REQUIRED", "IMPERSONATION_FORBIDS"]
        assert sessions_of(grace) == []


class TestInAnothersName:
    def test_nothing_that_guards_the_account_can_be_touched(self, api: Api) -> None:
        grace = a_user()
        own = api.as_(grace)
        acting = as_another(api, an_admin(), grace)
        proven(grace)
        change = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"}
        [*_, newest] = live_sessions_of(grace)

        answers = [
            acting.post("/auth/password/change", change),
            acting.delete("/auth/sessions"),
            acting.delete(f"/auth/sessions/{newest.id}"),
            acting.post("/auth/logout?scope=others"),
            acting.post("/auth/logout?scope=global"),
            acting.get("/api/v1/api-keys"),
            acting.post("/api/v1/api-keys", {"name": "door", "scopes": []}),
        ]

        assert [(answer.status_code, answer.code) for answer in answers] == [(403, "IMPERSONATION_FORBIDS")] * 7
        assert own.get(ME).status_code == 200
        assert acting.get(ME).status_code == 200

    def test_the_profile_can_be_changed_and_both_names_are_written_down(self, api: Api) -> None:
        admin, grace = an_admin(), a_user()
        acting = as_another(api, admin, grace)

        answer = acting.patch(ME, {"first_name": "Helped"})

        assert answer.status_code == 200
        event = audited("user_updated")[0]
        assert event.actor is not None
        assert event.actor.id == str(grace.id)
        assert event.detail == {"fields": ["first_name"], "impersonator": str(admin.id)}

    def test_what_is_refused_is_written_down_with_both_names(self, api: Api) -> None:
        admin, grace = an_admin(), a_user()
        acting = as_another(api, admin, grace)

        acting.get("/api/v1/users")
        acting.delete("/auth/sessions")

        events = audited("authz_fail")
        assert [event.actor and event.actor.id for event in events] == [str(grace.id)] * 2
        assert [event.detail for event in events] == [
            {"code": "IMPERSONATION_FORBIDS", "impersonator": str(admin.id)},
            {"permissions": ["users:read"], "code": "FORBIDDEN", "impersonator": str(admin.id)},
        ]

    def test_there_is_nothing_to_refresh_even_with_a_token_that_we_signed(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        acting = as_another(api, an_admin(), grace)
        api.sign_in(grace)
        clock.advance(seconds=1)
        forged = changed(grace.refresh_token, sid=claims_of(acting.token)["sid"])

        answers = [
            acting.post("/auth/refresh"),
            api.post("/auth/refresh", {"refresh_token": forged}),
            api.post("/auth/refresh", {"refresh_token": changed(forged, sid=claims_of(grace.access_token)["sid"])}),
        ]

        assert [answer.status_code for answer in answers] == [401, 401, 200]
        assert acting.get(ME).status_code == 200

    def test_the_answer_to_a_repetition_is_not_shared_with_the_user(self, api: Api) -> None:
        grace = a_holder_of("roles:write")
        acting = as_another(api, an_admin(), grace)
        once = {"Idempotency-Key": "once"}

        answers = [client.post("/api/v1/roles", {"name": "made"}, headers=once) for client in (acting, api.as_(grace))]

        assert [answer.status_code for answer in answers] == [201, 409]

    def test_costs_one_statement_more(self, api: Api) -> None:
        acting = as_another(api, an_admin(), a_user())

        with counted_statements() as seen:
            acting.get(ME)

        assert len(seen) == 2


class TestEnds:
    def test_after_a_quarter_of_an_hour(self, api: Api, clock: Clock) -> None:
        acting = as_another(api, an_admin(), a_user())
        clock.advance(minutes=14, seconds=59)
        before = acting.get(ME)
        clock.advance(seconds=1)

        assert (before.status_code, acting.get(ME).status_code) == (200, 401)

    def test_when_the_impersonator_has_done(self, api: Api) -> None:
        admin, grace = an_admin(), a_user()
        acting = as_another(api, admin, grace)

        answer = acting.post("/auth/logout")

        assert (answer.status_code, acting.get(ME).status_code) == (204, 401)
        assert api.as_(admin).get(ME).status_code == 200
        assert audited("authn_logout")[0].detail == {"impersonator": str(admin.id)}

    @pytest.mark.parametrize(
        ("method", "target", "body"),
        [
            ("POST", "/auth/logout", None),
            ("POST", "/auth/logout?scope=global", None),
            ("DELETE", "/auth/sessions", None),
            ("DELETE", "/auth/sessions/{sid}", None),
            (
                "POST",
                "/auth/password/change",
                {"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"},
            ),
        ],
    )
    def test_when_the_impersonator_leaves_or_changes_their_password(
        self, api: Api, method: str, target: str, body: Any
    ) -> None:
        admin = an_admin()
        acting = as_another(api, admin, a_user())
        other = as_another(api, an_admin(), a_user())

        answer = api.as_(admin).send(method, target.format(sid=claims_of(admin.access_token)["sid"]), body)

        assert answer.status_code == 204
        assert (acting.get(ME).status_code, other.get(ME).status_code) == (401, 200)

    @pytest.mark.parametrize(
        ("method", "body"),
        [("PATCH", {"is_active": False}), ("DELETE", None), ("PATCH", {"roles": ["user"]})],
        ids=["disabled", "deleted", "without the permission"],
    )
    def test_when_the_impersonator_is_locked_out_or_may_no_longer(self, api: Api, method: str, body: Any) -> None:
        admin, other = an_admin(), an_admin()
        acting = as_another(api, other, a_user())

        answer = api.as_(admin).send(method, f"/api/v1/users/{other.id}", body)

        assert answer.status_code in {200, 204}
        assert acting.get(ME).status_code == 401

    @pytest.mark.parametrize("state", [{"is_active": False}, {"deleted_at": "now"}], ids=str)
    def test_with_the_impersonator_also_behind_the_back_of_the_service(
        self, api: Api, clock: Clock, state: dict[str, Any]
    ) -> None:
        admin = an_admin()
        acting = as_another(api, admin, a_user())

        set_user(admin, **{name: clock.at if value == "now" else value for name, value in state.items()})

        assert acting.get(ME).status_code == 401

    @pytest.mark.parametrize("way", ["sessions", "one", "global", "disabled", "deleted"])
    def test_when_the_user_ends_it_or_is_locked_out(self, api: Api, way: str) -> None:
        admin, grace = an_admin(), a_user()
        acting = as_another(api, admin, grace)
        own, boss = api.as_(grace), api.as_(an_admin())

        {
            "sessions": lambda: own.delete("/auth/sessions"),
            "one": lambda: own.delete(f"/auth/sessions/{claims_of(acting.token)['sid']}"),
            "global": lambda: own.post("/auth/logout?scope=global"),
            "disabled": lambda: boss.patch(f"/api/v1/users/{grace.id}", {"is_active": False}),
            "deleted": lambda: boss.delete(f"/api/v1/users/{grace.id}"),
        }[way]()

        assert acting.get(ME).status_code == 401

    def test_when_the_user_becomes_an_administrator(self, api: Api) -> None:
        admin, grace = an_admin(), a_user()
        acting = as_another(api, admin, grace)

        api.as_(admin).patch(f"/api/v1/users/{grace.id}", {"roles": ["admin"]})

        assert acting.get(ME).status_code == 401

    def test_in_part_when_the_impersonator_loses_a_right_or_the_user_gains_one(self, api: Api) -> None:
        keep, lose, gain = a_role("users:impersonate"), a_role("users:read"), a_role("roles:read")
        helper, grace = a_user(roles=(keep, lose)), a_user(roles=(lose,))
        admin = api.as_(an_admin())
        acting = as_another(api, helper, grace)
        before = acting.get("/api/v1/users")

        admin.patch(f"/api/v1/users/{grace.id}", {"roles": [lose, gain]})
        gained = acting.get("/api/v1/roles")
        admin.patch(f"/api/v1/users/{helper.id}", {"roles": [keep]})

        assert (before.status_code, gained.status_code) == (200, 403)
        assert acting.get("/api/v1/users").status_code == 403
        assert acting.get(ME).result["permissions"] == []

    def test_with_the_impersonators_sign_out_also_when_both_happen_at_once(self, api: Api) -> None:
        admin, users = an_admin(), [a_user() for _ in range(4)]
        his = stepped_up(api, admin)
        requests = [*[(path(user.id), BODY) for user in users], ("/auth/logout?scope=global", None)]

        answers = at_once(5, lambda number: his.post(*requests[number]))

        assert answers[4].status_code == 204
        assert {answer.status_code for answer in answers[:4]} <= {200, 401}
        assert [session for user in users for session in live_sessions_of(user)] == []


class TestSecondFactor:
    def test_is_asked_of_the_impersonator_where_a_role_of_theirs_needs_one(self, api: Api, world: World) -> None:
        with_one, without = an_admin(), an_admin()
        tokens = [as_another(api, admin, a_user()).token for admin in (with_one, without)]
        set_user(with_one, mfa_enabled=True)
        app = world.with_settings(mfa_required_roles=("admin",))

        assert [Api(app, token).get(ME).status_code for token in tokens] == [200, 401]

    def test_of_the_user_is_not_lent(self, api: Api, world: World) -> None:
        grace = a_user(roles=(a_role("users:read", name="guarded"),))
        set_user(grace, mfa_enabled=True)
        acting = as_another(api, an_admin(), grace)
        app = world.with_settings(mfa_required_roles=("guarded",))

        assert Api(app, acting.token).get("/api/v1/users").code == "SECOND_FACTOR_REQUIRED"
