from tests.api import Api, a_user, an_admin


def test_a_person_registers_signs_in_refreshes_and_signs_out(api: Api) -> None:
    registered = api.post(
        "/auth/register", {"username": "grace", "email": "Grace@Navy.test", "password": "SecurePass123!"}
    )
    assert registered.status_code == 201
    assert registered.result["roles"] == ["user"]

    signed_in = api.post("/auth/login", {"email": "grace@navy.test", "password": "SecurePass123!"}).result
    grace = Api(api.app, signed_in["access_token"])
    assert grace.get("/auth/me").result["email"] == "Grace@Navy.test"

    refreshed = api.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).result
    assert refreshed["refresh_token"] != signed_in["refresh_token"]

    assert grace.post("/auth/logout").status_code == 204
    assert grace.get("/auth/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": refreshed["refresh_token"]}).status_code == 401


def test_an_administrator_bans_somebody_at_once(api: Api) -> None:
    admin, bob = an_admin(), a_user()
    his = api.as_(bob)

    banned = api.as_(admin).patch(f"/api/v1/users/{bob.id}", {"is_active": False})

    assert banned.status_code == 200
    assert his.get("/auth/me").status_code == 401
