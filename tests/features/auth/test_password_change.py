import pytest

from tests.api import Answer, Api, a_user
from tests.features.auth.looks import audited, hash_of, live_sessions_of, set_user, the_trail
from tests.features.auth.together import at_once
from tests.world import PASSWORD

NEW = "Another-Horse-8-Staple"


def change(api: Api, current: str = PASSWORD, new: object = NEW) -> Answer:
    return api.post("/auth/password/change", {"current_password": current, "new_password": new})


class TestChange:
    def test_replaces_the_password(self, api: Api) -> None:
        grace = a_user()

        answer = change(api.as_(grace))

        assert (answer.status_code, answer.data) == (204, b"")
        old = api.post("/auth/login", {"username": grace.username, "password": PASSWORD})
        new = api.post("/auth/login", {"username": grace.username, "password": NEW})
        assert (old.status_code, new.status_code) == (401, 200)

    def test_ends_all_other_sessions_at_once_and_keeps_its_own(self, api: Api) -> None:
        grace = a_user()
        first, old_refresh = api.as_(grace), grace.refresh_token
        api.sign_in(grace)
        second = api.as_(grace)

        change(second)

        assert first.get("/auth/me").status_code == 401
        assert api.post("/auth/refresh", {"refresh_token": old_refresh}).status_code == 401
        assert second.get("/auth/me").status_code == 200
        assert api.post("/auth/refresh", {"refresh_token": grace.refresh_token}).status_code == 200

    def test_ends_nobody_elses_sessions(self, api: Api) -> None:
        bobs = api.as_(a_user())

        change(api.as_(a_user()))

        assert bobs.get("/auth/me").status_code == 200

    def test_is_the_same_however_it_is_composed(self, api: Api) -> None:
        grace = a_user()

        change(api.as_(grace), new="Cafe\u0301-au-lait-42!")

        answer = api.post("/auth/login", {"email": grace.email, "password": "Caf\u00e9-au-lait-42!"})
        assert answer.status_code == 200

    def test_is_audited_without_either_password(self, api: Api) -> None:
        grace = a_user()

        change(api.as_(grace))

        event = audited("authn_password_change")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.outcome, event.actor.id, event.target.id) == ("success", str(grace.id), str(grace.id))
        assert NEW not in the_trail()
        assert PASSWORD not in the_trail()

    def test_of_two_at_once_lets_one_win(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        wanted = [f"{NEW}-1", f"{NEW}-2"]

        answers = at_once(2, lambda number: change(hers, new=wanted[number]))

        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [204, 403]
        won = wanted[statuses.index(204)]
        assert api.post("/auth/login", {"email": grace.email, "password": won}).status_code == 200


class TestWrongPassword:
    def test_is_403_so_that_clients_keep_the_session(self, api: Api) -> None:
        grace = a_user()
        hers, before = api.as_(grace), hash_of(grace)

        answer = change(hers, current="wrong")

        assert (answer.status_code, answer.code) == (403, "WRONG_PASSWORD")
        assert hash_of(grace) == before
        assert hers.get("/auth/me").status_code == 200

    def test_is_said_before_the_new_one_is_judged(self, api: Api) -> None:
        answer = change(api.as_(a_user()), current="wrong", new="weak")

        assert answer.code == "WRONG_PASSWORD"

    def test_is_audited_although_the_request_is_rolled_back(self, api: Api) -> None:
        grace = a_user()

        change(api.as_(grace), current="wrong")

        event = audited("authn_password_change_fail")[0]
        assert event.actor is not None
        assert (event.outcome, event.actor.id) == ("failure", str(grace.id))
        assert event.detail == {"code": "WRONG_PASSWORD"}

    def test_is_whatever_one_sends_without_a_password(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        set_user(grace, password_hash=None)

        assert change(hers, current="None").code == "WRONG_PASSWORD"


class TestGuesses:
    def test_are_five_and_then_the_right_one_is_refused_too(self, api: Api) -> None:
        hers = api.as_(a_user())

        statuses = [change(hers, current="wrong").status_code for _ in range(5)]
        right = change(hers)

        assert statuses == [403] * 5
        assert (right.status_code, right.code) == (429, "TOO_MANY_ATTEMPTS")
        assert 1 <= int(right.headers["Retry-After"]) <= 900

    def test_of_forty_at_once_are_five(self, api: Api) -> None:
        hers = api.as_(a_user())

        answers = at_once(40, lambda _: change(hers, current="wrong"))

        assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 35

    def test_are_counted_together_with_those_at_sign_in(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)
        for _ in range(5):
            change(hers, current="wrong")

        answer = api.post("/auth/login", {"username": grace.username, "password": PASSWORD})

        assert answer.status_code == 429

    def test_are_forgotten_after_a_right_one(self, api: Api) -> None:
        hers = api.as_(a_user())
        for _ in range(4):
            change(hers, current="wrong")

        assert change(hers).status_code == 204

        assert [change(hers, current="wrong").status_code for _ in range(5)] == [403] * 5

    def test_are_not_those_whose_new_password_was_weak(self, api: Api) -> None:
        hers = api.as_(a_user())

        statuses = [change(hers, new="weak").status_code for _ in range(7)]

        assert statuses == [422] * 7


class TestNewPassword:
    @pytest.mark.parametrize(
        "new", ["Sh0rt.x", "kx9vq2lmw", "Password123!", "aaaaaaaaaaaaaaaa", "x9" * 64 + "Y", "", None, 7], ids=repr
    )
    def test_is_held_to_the_policy(self, api: Api, new: object) -> None:
        grace = a_user()
        hers, before = api.as_(grace), hash_of(grace)

        answer = change(hers, new=new)

        assert (answer.status_code, list(answer.details)) == (422, ["new_password"])
        assert hash_of(grace) == before

    @pytest.mark.parametrize("new", ["Zylophant1", "Quarxim9"], ids=["user name", "address"])
    def test_is_not_made_of_ones_own_names(self, api: Api, new: str) -> None:
        grace = a_user(username="zylophant", email="quarxim@people.test")

        answer = change(api.as_(grace), new=new)

        assert answer.status_code == 422

    def test_ends_no_session_when_it_is_refused(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)
        api.sign_in(grace)

        change(api.as_(grace), new="weak")

        assert len(live_sessions_of(grace)) == 2

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"current_password": PASSWORD},
            {"new_password": NEW},
            {"current_password": PASSWORD, "new_password": NEW, "user_id": 1},
            {"current_password": "x" * 129, "new_password": NEW},
        ],
        ids=",".join,
    )
    def test_comes_with_the_current_one_and_nothing_else(self, api: Api, body: dict[str, object]) -> None:
        assert api.as_(a_user()).post("/auth/password/change", body).status_code == 422
