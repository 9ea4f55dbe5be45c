"""What administrators do to somebody acts on that person's very next request."""

from tests.api import Api, a_role, a_user, an_admin
from tests.features.auth.forge import claims_of
from tests.features.auth.looks import audited, live_sessions_of
from tests.features.auth.together import at_once
from tests.world import PASSWORD


class TestSessions:
    def test_disabling_ends_them_for_good(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        hers = api.as_(grace)

        admin.patch(f"/api/v1/users/{grace.id}", {"is_active": False})

        assert hers.get("/auth/me").status_code == 401
        admin.patch(f"/api/v1/users/{grace.id}", {"is_active": True})
        assert hers.get("/auth/me").status_code == 401

    def test_deletion_ends_them_for_good(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        hers = api.as_(grace)

        admin.delete(f"/api/v1/users/{grace.id}")

        assert hers.get("/auth/me").status_code == 401
        admin.post(f"/api/v1/users/{grace.id}/restore")
        assert hers.get("/auth/me").status_code == 401

    def test_an_administrator_ends_them(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        hers = api.as_(grace)

        answer = admin.post(f"/api/v1/users/{grace.id}/sessions:revoke")

        assert answer.status_code == 204
        assert hers.get("/auth/me").status_code == 401
        assert audited("authn_token_revoked")[0].detail["reason"] == "revoked_by_admin"

    def test_somebody_without_the_permission_does_not(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)

        assert api.as_(a_user()).post(f"/api/v1/users/{grace.id}/sessions:revoke").status_code == 403
        assert hers.get("/auth/me").status_code == 200

    def test_somebody_of_lower_rank_does_not(self, api: Api) -> None:
        admin, helper = an_admin(), a_user(roles=(a_role("users:write"),))
        his = api.as_(admin)

        answer = api.as_(helper).post(f"/api/v1/users/{admin.id}/sessions:revoke")

        assert (answer.status_code, answer.code) == (403, "PRIVILEGE_ESCALATION")
        assert his.get("/auth/me").status_code == 200

    def test_of_nobody_is_not_found(self, api: Api) -> None:
        assert api.as_(an_admin()).post(f"/api/v1/users/{2**62}/sessions:revoke").status_code == 404


class TestParallelSignIns:
    """Whoever signs in while they are locked out is either refused or locked out with the others."""

    def test_do_not_outlive_a_ban(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        right = {"username": grace.username, "password": PASSWORD}
        ban = ("PATCH", f"/api/v1/users/{grace.id}", {"is_active": False})
        requests = [*[("POST", "/auth/login", right)] * 4, ban]

        answers = at_once(5, lambda number: admin.send(*requests[number]))

        assert answers[4].status_code == 200
        assert {answer.status_code for answer in answers[:4]} <= {200, 401, 403}
        assert live_sessions_of(grace) == []

    def test_with_the_old_password_do_not_outlive_its_change(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        right = {"username": grace.username, "password": PASSWORD}
        change = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"}
        requests = [*[("/auth/login", right)] * 3, ("/auth/password/change", change)]

        answers = at_once(4, lambda number: hers.post(*requests[number]))

        assert answers[3].status_code == 204
        assert {answer.status_code for answer in answers[:3]} <= {200, 401}
        assert hers.get("/auth/me").status_code == 200
        assert len(live_sessions_of(grace)) == 1


class TestRoles:
    def test_given_act_on_the_very_next_request(self, api: Api) -> None:
        grace, admin = a_user(), api.as_(an_admin())
        hers = api.as_(grace)
        before = hers.get("/api/v1/users")

        admin.patch(f"/api/v1/users/{grace.id}", {"roles": ["user", a_role("users:read")]})

        assert (before.status_code, hers.get("/api/v1/users").status_code) == (403, 200)

    def test_taken_act_on_the_very_next_request(self, api: Api) -> None:
        fallen, admin = an_admin(), api.as_(an_admin())
        his = api.as_(fallen)
        before = his.get("/api/v1/users")

        admin.patch(f"/api/v1/users/{fallen.id}", {"roles": ["user"]})

        assert (before.status_code, his.get("/api/v1/users").status_code) == (200, 403)
        assert his.get("/auth/me").result["permissions"] == []

    def test_are_never_believed_from_the_token(self, api: Api) -> None:
        grace = a_user()

        api.sign_in(grace)

        assert claims_of(grace.access_token)["roles"] == ["user"]
        assert "permissions" not in claims_of(grace.access_token)
