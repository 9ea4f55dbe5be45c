import pytest

from tests.api import Answer, Api, Person, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, set_user, users_named
from tests.features.auth.together import at_once
from tests.links import reset, reset_link, verify_link
from tests.mails import letters
from tests.world import PASSWORD, World


@pytest.fixture
def strict(world: World) -> Api:
    """A client of a service where addresses must be proven."""
    return Api(world.with_settings(email_verification="mandatory"))


def register(api: Api, username: str = "grace", email: str = "grace@navy.test") -> Answer:
    return api.post("/auth/register", {"username": username, "email": email, "password": PASSWORD})


def verify(api: Api, token: str) -> Answer:
    return api.post("/auth/email/verify", {"token": token})


def resend(api: Api, email: str) -> Answer:
    return api.post("/auth/email/resend", {"email": email})


def is_verified(api: Api, person: Person) -> bool:
    return bool(api.as_(person).get("/auth/me").result["email_verified"])


class TestRegister:
    def test_mails_a_link(self, api: Api) -> None:
        answer = register(api)

        assert answer.status_code == 201
        (letter,) = letters()
        assert (letter.template, letter.to) == ("verify_email", "grace@navy.test")
        assert letter.context["link"].startswith("http://carboy.test/verify-email?token=")

    def test_mails_nothing_that_a_stranger_chose(self, api: Api) -> None:
        register(api, username="evil.example.com")

        assert "evil.example.com" not in repr(letters()[0].context)

    def test_that_is_refused_mails_nothing(self, api: Api) -> None:
        a_user(username="grace")

        assert register(api).status_code == 409
        assert letters() == []


class TestStrictRegister:
    def test_says_the_same_whatever_is_taken(self, strict: Api) -> None:
        a_user(username="taken", email="taken@people.test")

        answers = [
            register(strict),
            register(strict, "other", "taken@people.test"),
            register(strict, "taken", "new@people.test"),
        ]

        assert [answer.status_code for answer in answers] == [202] * 3
        assert len({repr({**answer.json, "metadata": None}) for answer in answers}) == 1
        assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1
        assert answers[0].result == {"status": "pending"}

    def test_tells_by_mail_what_is_taken(self, strict: Api) -> None:
        a_user(username="taken", email="taken@people.test")

        register(strict)
        register(strict, "other", "Taken@People.test")
        register(strict, "TAKEN", "new@people.test")

        assert [(letter.template, letter.to) for letter in letters()] == [
            ("verify_email", "grace@navy.test"),
            ("already_registered", "taken@people.test"),
            ("username_taken", "new@people.test"),
        ]

    def test_makes_nothing_of_what_is_taken(self, strict: Api) -> None:
        a_user(username="taken", email="taken@people.test")
        events = len(audited("user_created"))

        register(strict, "other", "taken@people.test")
        register(strict, "taken", "new@people.test")

        assert users_named("other") == 0
        assert users_named("taken") == 1
        assert len(audited("user_created")) == events

    def test_tells_nobody_who_is_disabled(self, strict: Api) -> None:
        taken = a_user()
        set_user(taken, is_active=False)

        assert register(strict, "other", taken.email).status_code == 202
        assert [letter.to for letter in letters()] == [None]

    def test_lets_an_owner_who_forgot_set_a_password(self, strict: Api) -> None:
        taken = a_user()
        register(strict, "other", taken.email)

        assert reset(strict, letters("already_registered")[0].token).status_code == 204

    def test_mails_one_address_three_times_an_hour(self, strict: Api) -> None:
        taken = a_user()

        for number in range(5):
            register(strict, f"other{number}", taken.email)

        assert [letter.to for letter in letters()] == [taken.email] * 3 + [None] * 2

    def test_mails_a_new_account_its_link_however_many_were_told_of_taken_names(self, strict: Api) -> None:
        taken = a_user()
        for _ in range(4):
            register(strict, taken.username)

        register(strict)

        assert letters()[-1].template == "verify_email"
        assert letters()[-1].to == "grace@navy.test"

    def test_of_twenty_at_once_makes_one_account(self, strict: Api) -> None:
        answers = at_once(20, lambda _: register(strict))

        assert {answer.status_code for answer in answers} == {202}
        assert users_named("grace") == 1
        assert [letter.to for letter in letters("verify_email")] == ["grace@navy.test"]

    def test_explains_what_is_not_valid(self, strict: Api) -> None:
        assert register(strict, "a b").status_code == 422


class TestStrictSignIn:
    def test_waits_for_the_address_to_be_proven(self, strict: Api) -> None:
        register(strict)

        answer = strict.post("/auth/login", {"username": "grace", "password": PASSWORD})

        assert (answer.status_code, answer.code) == (403, "EMAIL_NOT_VERIFIED")
        verify(strict, letters()[0].token)
        assert strict.post("/auth/login", {"username": "grace", "password": PASSWORD}).status_code == 200

    def test_says_so_only_to_who_knows_the_password(self, strict: Api) -> None:
        register(strict)

        answer = strict.post("/auth/login", {"username": "grace", "password": "wrong"})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")

    def test_begins_no_session_and_counts_no_guess(self, strict: Api) -> None:
        grace = a_user()
        body = {"username": grace.username, "password": PASSWORD}

        statuses = [strict.post("/auth/login", body).status_code for _ in range(7)]

        assert statuses == [403] * 7
        assert live_sessions_of(grace) == []
        assert audited("authn_login_fail")[0].detail == {"code": "EMAIL_NOT_VERIFIED"}

    def test_lets_in_who_reset_their_password_by_mail(self, strict: Api) -> None:
        grace = a_user()

        reset(strict, reset_link(strict, grace), "Another-Horse-8-Staple")

        body = {"username": grace.username, "password": "Another-Horse-8-Staple"}
        assert strict.post("/auth/login", body).status_code == 200


class TestVerify:
    def test_proves_the_address(self, api: Api) -> None:
        grace = a_user()

        answer = verify(api, verify_link(api, grace))

        assert (answer.status_code, answer.data) == (204, b"")
        assert is_verified(api, grace)

    def test_is_audited(self, api: Api) -> None:
        grace = a_user()

        verify(api, verify_link(api, grace))

        event = audited("user_updated")[0]
        assert event.actor is not None
        assert (event.actor.id, event.detail) == (str(grace.id), {"fields": ["email_verified"], "by": "link"})

    def test_works_once(self, api: Api) -> None:
        token = verify_link(api, a_user())
        verify(api, token)

        answer = verify(api, token)

        assert (answer.status_code, answer.code) == (422, "INVALID_TOKEN")

    def test_of_twenty_at_once_lets_one_win(self, api: Api) -> None:
        token = verify_link(api, a_user())

        answers = at_once(20, lambda _: verify(api, token))

        assert sorted(answer.status_code for answer in answers) == [204] + [422] * 19

    def test_works_for_a_day(self, api: Api, clock: Clock) -> None:
        early, late = verify_link(api, a_user()), verify_link(api, a_user())
        clock.advance(hours=23, minutes=59)
        assert verify(api, early).status_code == 204

        clock.advance(minutes=1)

        assert verify(api, late).code == "INVALID_TOKEN"

    def test_proves_no_address_that_is_not_the_accounts_any_more(self, api: Api) -> None:
        grace = a_user()
        token = verify_link(api, grace)
        api.as_(an_admin()).patch(f"/api/v1/users/{grace.id}", {"email": "moved@people.test"})

        assert verify(api, token).code == "INVALID_TOKEN"
        assert not is_verified(api, grace)

    def test_counts_wrong_codes(self, api: Api) -> None:
        answers = at_once(40, lambda number: verify(api, f"wrong {number}"))

        assert sorted(answer.status_code for answer in answers) == [422] * 20 + [429] * 20


class TestResend:
    def test_ends_the_link_before(self, api: Api) -> None:
        grace = a_user()
        first, second = verify_link(api, grace), verify_link(api, grace)

        assert verify(api, first).code == "INVALID_TOKEN"
        assert verify(api, second).status_code == 204

    def test_mails_only_who_has_something_to_prove(self, api: Api) -> None:
        proven, disabled = a_user(email_verified=True), a_user()
        set_user(disabled, is_active=False)

        answers = [resend(api, email) for email in (proven.email, disabled.email, "nobody@people.test")]

        assert {(answer.status_code, repr(answer.result)) for answer in answers} == {(202, "{'status': 'pending'}")}
        assert [letter.to for letter in letters()] == [None] * 3

    def test_mails_three_an_hour(self, api: Api) -> None:
        grace = a_user()

        for _ in range(5):
            assert resend(api, grace.email).status_code == 202

        assert [letter.to for letter in letters()] == [grace.email] * 3 + [None] * 2


class TestMadeByAnAdministrator:
    def test_with_a_password_gets_a_link_to_prove_the_address(self, api: Api) -> None:
        body = {"username": "hopper", "email": "hopper@navy.test", "password": PASSWORD}

        api.as_(an_admin()).post("/api/v1/users", body)

        assert [(letter.template, letter.to) for letter in letters()] == [("verify_email", "hopper@navy.test")]

    def test_disabled_gets_no_mail(self, api: Api) -> None:
        api.as_(an_admin()).post(
            "/api/v1/users", {"username": "hopper", "email": "hopper@navy.test", "is_active": False}
        )

        assert letters() == []
