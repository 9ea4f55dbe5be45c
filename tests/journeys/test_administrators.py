from app.features.auth import service as auth
from app.infra import db
from tests.api import Api, a_role, a_user, an_admin
from tests.features.auth.looks import audited
from tests.world import PASSWORD


def test_the_first_administrator_comes_by_the_link_and_appoints_the_second(api: Api) -> None:
    with db.unit_of_work():
        code = auth.make_setup_code()
    form = {"code": code, "username": "ada", "email": "ada@engines.test", "password": PASSWORD}
    assert api.app.test_client().post("/setup", data=form).status_code == 200

    signed_in = api.post("/auth/login", {"email": "ada@engines.test", "password": PASSWORD}).result
    ada = Api(api.app, signed_in["access_token"])
    bob = a_user()
    his = api.as_(bob)
    assert his.get("/api/v1/users").status_code == 403

    assert ada.patch(f"/api/v1/users/{bob.id}", {"roles": ["admin", "user"]}).status_code == 200
    assert his.get("/api/v1/users").status_code == 200

    assert his.patch(f"/api/v1/users/{signed_in['user']['id']}", {"roles": ["user"]}).status_code == 200
    assert ada.get("/api/v1/users").status_code == 403
    assert his.patch(f"/api/v1/users/{bob.id}", {"roles": ["user"]}).status_code == 409


def test_somebody_who_was_deleted_is_out_at_once_and_back_when_restored(api: Api) -> None:
    admin, grace = api.as_(an_admin()), a_user(username="grace", email="grace@navy.test")
    hers = api.as_(grace)
    right = {"email": "grace@navy.test", "password": PASSWORD}

    assert admin.delete(f"/api/v1/users/{grace.id}").status_code == 204
    assert hers.get("/auth/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 401
    assert api.post("/auth/login", right).status_code == 401

    assert admin.post(f"/api/v1/users/{grace.id}/restore").status_code == 200
    assert hers.get("/auth/me").status_code == 401
    assert api.post("/auth/login", right).status_code == 200


def test_an_address_goes_to_its_next_owner_and_not_back(api: Api) -> None:
    admin, first = api.as_(an_admin()), a_user(username="grace", email="grace@navy.test")
    hers = api.as_(first)
    admin.delete(f"/api/v1/users/{first.id}")

    registration = {"username": "grace", "email": "grace@navy.test", "password": "SecurePass123!"}
    second = api.post("/auth/register", registration).result
    assert second["id"] != first.id
    assert hers.get("/auth/me").status_code == 401
    assert api.post("/auth/login", {"username": "grace", "password": PASSWORD}).status_code == 401
    assert api.post("/auth/login", {"username": "grace", "password": "SecurePass123!"}).status_code == 200

    restored = admin.post(f"/api/v1/users/{first.id}/restore")
    assert (restored.status_code, restored.code) == (409, "EMAIL_TAKEN")


def test_the_trail_tells_the_story_of_an_account(api: Api) -> None:
    admin, helper = an_admin(), a_role("users:read")
    made = api.post(
        "/auth/register", {"username": "grace", "email": "grace@navy.test", "password": "SecurePass123!"}
    ).result
    api.post("/auth/login", {"username": "grace", "password": "wrong"})
    tokens = api.post("/auth/login", {"username": "grace", "password": "SecurePass123!"}).result
    Api(api.app, tokens["access_token"]).post("/auth/logout")
    api.as_(admin).patch(f"/api/v1/users/{made['id']}", {"roles": ["user", helper]})
    api.as_(admin).patch(f"/api/v1/users/{made['id']}", {"is_active": False})
    api.as_(admin).delete(f"/api/v1/users/{made['id']}")

    told = api.as_(admin).get(f"/api/v1/audit-events?target_type=user&target={made['id']}").result

    assert [event["event"] for event in reversed(told)] == [
        "user_created",
        "authz_change",
        "authn_login_fail",
        "authz_change",
        "user_updated",
        "user_deleted",
    ]
    assert [event["actor"] and event["actor"]["id"] for event in reversed(told)][3:] == [str(admin.id)] * 3
    assert told[2]["detail"] == {"old": ["user"], "new": sorted(["user", helper])}
    assert len(audited("authn_login_success")) == 2
    assert len(audited("authn_logout")) == 1
