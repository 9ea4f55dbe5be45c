"""MFA_REQUIRED_ROLES: a role that gives nothing without a second factor, and how its holder comes by one."""

import pytest
from flask.testing import FlaskCliRunner

from tests.api import Api, Person, a_role, a_user, an_admin
from tests.authenticator import STEP, enrolled, finish, half_signed_in, reauthenticated
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.mails import letters
from tests.world import World

USERS, TOTP = "/api/v1/users", "/auth/mfa/totp"


@pytest.fixture
def api(world: World) -> Api:
    return Api(world.with_settings(mfa_required_roles=("admin",)))


class TestHolder:
    def test_without_a_factor_signs_in_and_may_nothing(self, api: Api) -> None:
        his = api.as_(an_admin())

        me = his.get("/auth/me").result

        assert (me["permissions"], me["mfa_required"], me["mfa_enabled"]) == ([], True, False)
        answer = his.get(USERS)
        assert (answer.status_code, answer.code) == (403, "SECOND_FACTOR_REQUIRED")

    def test_may_everything_as_soon_as_one_is_enrolled(self, api: Api, clock: Clock) -> None:
        ada = an_admin()

        enrolled(api, ada)

        me = api.as_(ada).get("/auth/me").result
        assert (me["mfa_required"], me["mfa_enabled"]) == (False, True)
        assert "users:write" in me["permissions"]
        assert api.as_(ada).get(USERS).status_code == 200

    def test_is_asked_for_it_from_then_on(self, api: Api, clock: Clock) -> None:
        ada = an_admin()
        app = enrolled(api, ada)
        clock.advance(seconds=STEP)

        answer = finish(api, half_signed_in(api, ada), code=app.code())

        his = Api(api.app, answer.result["access_token"])
        assert his.get(USERS).status_code == 200

    def test_cannot_remove_the_last_one(self, api: Api, clock: Clock) -> None:
        ada = an_admin()
        enrolled(api, ada)

        answer = api.as_(ada).delete(TOTP)
        around = api.as_(ada).delete(f"{USERS}/{ada.id}/mfa")

        assert (answer.status_code, answer.code) == (409, "LAST_FACTOR")
        assert (around.status_code, around.code) == (409, "LAST_FACTOR")
        assert api.as_(ada).get("/auth/mfa").result["totp"] is True
        assert "mfa_token" in api.post("/auth/login", {"username": ada.username, "password": ada.password}).result

    def test_of_another_role_is_left_alone(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        enrolled(api, grace)

        assert api.as_(grace).get("/auth/me").result["mfa_required"] is False
        assert api.as_(grace).delete(TOTP).status_code == 204


class TestReset:
    """Removing the factors of somebody who lost theirs."""

    @pytest.fixture
    def api(self, world: World) -> Api:
        return Api(world.app)

    @pytest.fixture
    def grace(self, api: Api, clock: Clock) -> Person:
        grace = a_user()
        enrolled(api, grace)
        return grace

    def test_lets_the_password_suffice_and_ends_all_sessions(self, api: Api, grace: Person) -> None:
        admin, hers = reauthenticated(api, an_admin()), api.as_(grace)

        answer = admin.delete(f"{USERS}/{grace.id}/mfa")

        assert answer.status_code == 204
        assert hers.get("/auth/me").status_code == 401
        api.sign_in(grace)
        held = api.as_(grace).get("/auth/mfa").result
        assert held == {"totp": False, "passkeys": 0, "recovery_codes_left": 0}

    def test_is_audited_and_told_to_the_owner(self, api: Api, grace: Person) -> None:
        ada = an_admin()

        reauthenticated(api, ada).delete(f"{USERS}/{grace.id}/mfa")

        event = audited("mfa_removed")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id) == (str(ada.id), str(grace.id))
        assert "administrator" in letters("second_factor_changed")[-1].context["what"]

    def test_needs_a_fresh_proof(self, api: Api, grace: Person) -> None:
        answer = api.as_(an_admin()).delete(f"{USERS}/{grace.id}/mfa")

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")

    def test_is_not_for_those_of_lower_rank(self, api: Api, clock: Clock) -> None:
        ada, helper = an_admin(), a_user(roles=(a_role("users:write"),))
        enrolled(api, ada)

        answer = reauthenticated(api, helper).delete(f"{USERS}/{ada.id}/mfa")

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert api.as_(ada).get("/auth/mfa").result["totp"] is True

    def test_of_somebody_without_any_changes_nothing(self, api: Api, clock: Clock) -> None:
        bob = a_user()
        his = api.as_(bob)

        assert reauthenticated(api, an_admin()).delete(f"{USERS}/{bob.id}/mfa").status_code == 204

        assert his.get("/auth/me").status_code == 200
        assert audited("mfa_removed") == []

    @pytest.mark.parametrize("by", ["username", "email"])
    def test_on_the_machine_is_a_command(self, api: Api, grace: Person, by: str) -> None:
        runner: FlaskCliRunner = api.app.test_cli_runner()

        result = runner.invoke(args=["mfa-reset", getattr(grace, by)])

        assert (result.exit_code, result.output) == (0, "Second factors removed.\n")
        assert "access_token" in api.sign_in(grace).result
        actor = audited("mfa_removed")[0].actor
        assert actor is not None
        assert actor.type == "operator"

    def test_on_the_machine_says_what_it_did_not_do(self, api: Api) -> None:
        runner, bob = api.app.test_cli_runner(), a_user()

        nothing, nobody = (runner.invoke(args=["mfa-reset", name]) for name in (bob.username, "nobody"))

        assert (nothing.exit_code, nothing.output) == (0, "There was no second factor.\n")
        assert nobody.exit_code == 1
        assert "There is no such user." in nobody.output
