from tests.api import Api, a_user
from tests.conftest import Clock
from tests.world import PASSWORD


def test_a_thief_and_the_owner_of_a_refresh_token_both_lose_it_once_both_used_it(api: Api, clock: Clock) -> None:
    grace = a_user()
    stolen = api.sign_in(grace).result["refresh_token"]

    thief = api.at("203.0.113.66").post("/auth/refresh", {"refresh_token": stolen}).result
    clock.advance(minutes=20)
    owner = api.post("/auth/refresh", {"refresh_token": stolen})
    assert (owner.status_code, owner.code) == (401, "REFRESH_TOKEN_REUSED")
    assert Api(api.app, thief["access_token"]).get("/auth/me").status_code == 401
    assert api.post("/auth/refresh", {"refresh_token": thief["refresh_token"]}).status_code == 401

    assert api.sign_in(grace).status_code == 200
    assert len(api.as_(grace).get("/auth/sessions").result) == 1


def test_the_owner_of_a_lost_phone_ends_its_session_and_keeps_their_own(api: Api) -> None:
    grace = a_user()
    phone = Api(api.app, api.sign_in(grace).result["access_token"])
    api.sign_in(grace)
    laptop = api.as_(grace)

    sessions = laptop.get("/auth/sessions").result
    lost = next(session["id"] for session in sessions if not session["current"])
    assert laptop.delete(f"/auth/sessions/{lost}").status_code == 204

    assert phone.get("/auth/me").status_code == 401
    assert laptop.get("/auth/me").status_code == 200
    assert [session["current"] for session in laptop.get("/auth/sessions").result] == [True]


def test_a_guesser_is_stopped_while_the_owner_comes_and_goes_elsewhere(api: Api, clock: Clock) -> None:
    grace, guesser = a_user(), api.at("203.0.113.66")
    wrong = {"username": grace.username, "password": "wrong"}
    right = {"username": grace.username, "password": PASSWORD}

    assert [guesser.post("/auth/login", wrong).status_code for _ in range(6)] == [401] * 5 + [429]
    assert guesser.post("/auth/login", right).status_code == 429
    assert api.sign_in(grace).status_code == 200

    changed = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"}
    assert api.as_(grace).post("/auth/password/change", changed).status_code == 204
    clock.advance(minutes=15)
    assert guesser.post("/auth/login", right).status_code == 401
