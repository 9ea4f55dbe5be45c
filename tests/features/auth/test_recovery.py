import pytest

from tests.api import Answer, Api, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, hash_of, live_sessions_of, set_user, the_trail
from tests.features.auth.together import at_once
from tests.links import NEW_PASSWORD, codes, reset, reset_link
from tests.mails import letters
from tests.world import PASSWORD, World


def forgot(api: Api, email: str) -> Answer:
    return api.post("/auth/password/forgot", {"email": email})


def sign_in(api: Api, email: str, password: str) -> Answer:
    return api.post("/auth/login", {"email": email, "password": password})


class TestForgot:
    def test_mails_a_link_to_the_owner(self, api: Api) -> None:
        grace = a_user()

        answer = forgot(api, grace.email)

        assert (answer.status_code, answer.result) == (202, {"status": "pending"})
        (letter,) = letters("reset_password")
        assert letter.to == grace.email
        assert letter.context["link"].startswith("http://carboy.test/reset-password?token=")
        assert letter.context["lifetime"] == "30 minutes"

    @pytest.mark.parametrize(
        "email", ["nobody@people.test", "no address", "gr\u0131ce@people.test", "grace@people.test.evil.test"]
    )
    def test_says_the_same_for_whom_there_is_not(self, api: Api, email: str) -> None:
        known = forgot(api, a_user(email="grace@people.test").email)

        unknown = forgot(api, email)

        assert unknown.status_code == 202
        assert {**unknown.json, "metadata": None} == {**known.json, "metadata": None}
        assert list(unknown.headers.keys()) == list(known.headers.keys())
        assert [letter.to for letter in letters()] == ["grace@people.test", None]

    def test_sends_the_same_statements_for_whom_there_is_not(self, api: Api) -> None:
        forgot(api, a_user().email)
        forgot(api, "nobody@people.test")

        assert [code.user_id is None for code in codes()] == [False, True]
        assert len(letters()) == 2

    @pytest.mark.parametrize("typed", ["MI\u212aE@people.test", "mike@PEOPLE.test", " mike@people.test"])
    def test_mails_the_stored_address_however_it_was_typed(self, api: Api, typed: str) -> None:
        a_user(email="Mike@people.test")

        forgot(api, typed)

        assert [letter.to for letter in letters()] == ["Mike@people.test"]

    def test_mails_nobody_who_may_not_come_in(self, api: Api) -> None:
        disabled, deleted = a_user(), a_user()
        set_user(disabled, is_active=False)
        api.as_(an_admin()).delete(f"/api/v1/users/{deleted.id}")

        answers = [forgot(api, person.email) for person in (disabled, deleted)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert [letter.to for letter in letters("reset_password")] == [None, None]

    def test_ends_the_link_before(self, api: Api) -> None:
        grace = a_user()
        first, second = reset_link(api, grace), reset_link(api, grace)

        assert reset(api, first).code == "INVALID_TOKEN"
        assert reset(api, second).status_code == 204

    def test_mails_three_an_hour_and_leaves_the_last_link_good(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        for _ in range(2):
            forgot(api, grace.email)
        third = reset_link(api, grace)

        answers = [forgot(api, grace.email) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [202] * 3
        assert [letter.to for letter in letters()] == [grace.email] * 3 + [None] * 3
        assert reset(api, third).status_code == 204
        clock.advance(hours=1)
        forgot(api, grace.email)
        assert letters("reset_password")[-1].to == grace.email

    def test_mails_three_of_forty_at_once(self, api: Api) -> None:
        grace = a_user()

        answers = at_once(40, lambda _: forgot(api, grace.email))

        assert {answer.status_code for answer in answers} == {202}
        assert sorted(str(letter.to) for letter in letters()) == ["None"] * 37 + [grace.email] * 3

    def test_is_refused_to_an_address_that_asks_for_very_many(self, world: World, clock: Clock) -> None:
        api = Api(world.with_settings(ratelimit_scale=0.02, ratelimit_anonymous="10000/minute"))

        answers = [forgot(api, f"somebody{number}@people.test") for number in range(5)]

        assert [answer.status_code for answer in answers] == [202] * 4 + [429]
        assert answers[4].headers["Retry-After"] == "3600"
        assert forgot(api.at("192.0.2.1"), "somebody@people.test").status_code == 202

    @pytest.mark.parametrize(
        "body", [{}, {"email": 7}, {"email": "a@b.test", "redirect": "http://evil.test"}, {"email": "x" * 255}]
    )
    def test_takes_an_address_and_nothing_else(self, api: Api, body: dict[str, object]) -> None:
        assert api.post("/auth/password/forgot", body).status_code == 422

    @pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
    def test_links_where_the_service_is_and_not_where_a_header_says(self, api: Api, header: str) -> None:
        grace = a_user()

        api.post(
            "/auth/password/forgot",
            {"email": grace.email},
            headers={header: "host=evil.test" if header == "Forwarded" else "evil.test"},
        )

        assert letters()[0].context["link"].startswith("http://carboy.test/")


class TestReset:
    def test_sets_the_password(self, api: Api) -> None:
        grace = a_user()

        answer = reset(api, reset_link(api, grace))

        assert (answer.status_code, answer.data) == (204, b"")
        assert sign_in(api, grace.email, PASSWORD).status_code == 401
        assert sign_in(api, grace.email, NEW_PASSWORD).status_code == 200

    def test_ends_all_sessions_and_begins_none(self, api: Api) -> None:
        grace = a_user()
        hers, refresh_token = api.as_(grace), grace.refresh_token

        reset(api, reset_link(api, grace))

        assert live_sessions_of(grace) == []
        assert hers.get("/auth/me").status_code == 401
        assert api.post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 401

    def test_ends_nobody_elses_sessions(self, api: Api) -> None:
        bobs = api.as_(a_user())

        reset(api, reset_link(api, a_user()))

        assert bobs.get("/auth/me").status_code == 200

    def test_proves_the_address(self, api: Api) -> None:
        grace = a_user()

        reset(api, reset_link(api, grace))

        grace.password = NEW_PASSWORD
        assert api.as_(grace).get("/auth/me").result["email_verified"] is True

    def test_lets_somebody_in_who_was_locked_out_by_guesses(self, api: Api) -> None:
        grace = a_user()
        for _ in range(6):
            sign_in(api, grace.email, "wrong")

        reset(api, reset_link(api, grace))

        assert sign_in(api, grace.email, NEW_PASSWORD).status_code == 200

    def test_gives_a_first_password(self, api: Api) -> None:
        made = api.as_(an_admin()).post("/api/v1/users", {"username": "hopper", "email": "hopper@navy.test"})
        assert made.status_code == 201
        (welcome,) = letters("welcome_set_password")

        assert reset(api, welcome.token).status_code == 204

        assert welcome.to == "hopper@navy.test"
        assert sign_in(api, "hopper@navy.test", NEW_PASSWORD).status_code == 200

    def test_tells_the_owner(self, api: Api) -> None:
        grace = a_user()

        reset(api, reset_link(api, grace))

        assert [letter.to for letter in letters("password_changed")] == [grace.email]

    def test_is_audited_without_code_and_password(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)

        reset(api, token)

        event = audited("authn_password_change")[0]
        assert event.actor is not None
        assert event.target is not None
        assert (event.actor.id, event.target.id, event.detail) == (str(grace.id), str(grace.id), {"by": "reset"})
        assert token not in the_trail()
        assert NEW_PASSWORD not in the_trail()

    def test_works_once(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)
        reset(api, token)

        answer = reset(api, token, "Third-Horse-9-Staple")

        assert (answer.status_code, answer.code, list(answer.details)) == (422, "INVALID_TOKEN", ["token"])
        assert sign_in(api, grace.email, NEW_PASSWORD).status_code == 200

    def test_of_twenty_at_once_lets_one_win(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)
        wanted = [f"{NEW_PASSWORD}-{number}" for number in range(20)]

        answers = at_once(20, lambda number: reset(api, token, wanted[number]))

        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [204] + [422] * 19
        assert sign_in(api, grace.email, wanted[statuses.index(204)]).status_code == 200
        assert len(letters("password_changed")) == 1

    @pytest.mark.parametrize("new", ["weak", "Password123!", "aaaaaaaaaaaaaaaa", "Zylophant1"])
    def test_is_not_used_up_by_a_password_that_is_refused(self, api: Api, new: str) -> None:
        grace = a_user(username="zylophant")
        token, before = reset_link(api, grace), hash_of(grace)

        answer = reset(api, token, new)

        assert (answer.status_code, list(answer.details)) == (422, ["new_password"])
        assert hash_of(grace) == before
        assert reset(api, token).status_code == 204

    def test_works_for_half_an_hour(self, api: Api, clock: Clock) -> None:
        token = reset_link(api, a_user())
        clock.advance(minutes=29, seconds=59)

        assert reset(api, token).status_code == 204

    def test_does_not_work_after_half_an_hour(self, api: Api, clock: Clock) -> None:
        token = reset_link(api, a_user())
        clock.advance(minutes=30)

        assert reset(api, token).code == "INVALID_TOKEN"

    def test_works_after_a_restart(self, api: Api, world: World) -> None:
        token = reset_link(api, a_user())

        assert reset(Api(world.with_settings()), token).status_code == 204

    def test_does_not_work_for_who_was_disabled_meanwhile(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)
        set_user(grace, is_active=False)

        assert reset(api, token).code == "INVALID_TOKEN"

    def test_does_not_work_once_the_password_was_changed(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)
        api.as_(grace).post("/auth/password/change", {"current_password": PASSWORD, "new_password": NEW_PASSWORD})

        assert reset(api, token, "Third-Horse-9-Staple").code == "INVALID_TOKEN"

    def test_does_not_work_once_the_account_has_another_address(self, api: Api) -> None:
        grace = a_user()
        token = reset_link(api, grace)
        api.as_(an_admin()).patch(f"/api/v1/users/{grace.id}", {"email": "moved@people.test"})

        assert reset(api, token).code == "INVALID_TOKEN"

    def test_leaves_only_the_hash_of_its_code(self, api: Api) -> None:
        token = reset_link(api, a_user())

        assert token not in repr([vars(code) for code in codes()])
