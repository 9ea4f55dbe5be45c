"""POST /auth/login/mfa: how often second factors may be tried, and what that leaves of the password's counters."""

from tests.api import Api, a_user
from tests.authenticator import (
    STEP,
    Authenticator,
    enrolled,
    finish,
    half_signed_in,
    waiting,
)
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.features.auth.together import at_once

LOGIN = "/auth/login"


class TestTries:
    def test_of_a_token_are_five(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)
        statuses = [finish(api, token, code=app.wrong).status_code for _ in range(5)]

        answer = finish(api, token, code=app.code())

        assert statuses == [401] * 5
        assert (answer.status_code, answer.code) == (429, "TOO_MANY_ATTEMPTS")
        assert int(answer.headers["Retry-After"]) > 0
        assert finish(api, token, recovery_code=app.recovery_codes[0]).status_code == 429

    def test_of_forty_at_once_are_five(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)

        answers = at_once(40, lambda _: finish(api, token, code=app.wrong))

        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 35
        assert {answer.code for answer in answers} == {"INVALID_MFA_CODE", "TOO_MANY_ATTEMPTS"}

    def test_of_a_user_are_twenty_an_hour_however_many_tokens(self, api: Api, app: Authenticator, clock: Clock) -> None:
        for _ in range(4):
            token = waiting(api)
            assert [finish(api, token, code=app.wrong).status_code for _ in range(5)] == [401] * 5

        answer = finish(api, waiting(api), code=app.code())

        assert (answer.status_code, answer.code) == (429, "TOO_MANY_ATTEMPTS")
        clock.advance(hours=1)
        assert finish(api, waiting(api), code=app.code()).status_code == 200

    def test_of_others_are_not_forgotten_when_the_owner_signs_in(
        self, api: Api, app: Authenticator, clock: Clock
    ) -> None:
        for _ in range(3):
            token = waiting(api)
            assert [finish(api, token, code=app.wrong).status_code for _ in range(5)] == [401] * 5
        assert finish(api, waiting(api), code=app.code()).status_code == 200
        clock.advance(seconds=STEP)

        token = waiting(api)

        assert [finish(api, token, code=app.wrong).status_code for _ in range(5)] == [401] * 5
        assert finish(api, waiting(api), code=app.code()).status_code == 429

    def test_at_another_account_are_not_counted_here(self, api: Api, app: Authenticator, clock: Clock) -> None:
        bob = a_user()
        enrolled(api, bob)
        for _ in range(4):
            token = half_signed_in(api, bob)
            assert [finish(api, token, code="000000").status_code for _ in range(5)] == [401] * 5

        assert finish(api, waiting(api), code=app.code()).status_code == 200

    def test_that_fail_are_audited(self, api: Api, app: Authenticator) -> None:
        finish(api, waiting(api), code=app.wrong)

        event = audited("authn_login_fail")[0]
        assert (event.outcome, event.detail) == ("failure", {"code": "INVALID_MFA_CODE"})
        assert event.target is not None


class TestPasswordCounters:
    def wrong(self, api: Api, count: int) -> list[int]:
        body = {"username": "grace", "password": "wrong"}
        return [api.post(LOGIN, body).status_code for _ in range(count)]

    def test_are_not_cleared_by_half_a_sign_in(self, api: Api, app: Authenticator) -> None:
        self.wrong(api, 4)
        waiting(api)

        assert self.wrong(api, 2) == [401, 429]

    def test_do_not_count_half_a_sign_in(self, api: Api, app: Authenticator) -> None:
        tokens = [waiting(api) for _ in range(8)]

        assert finish(api, tokens[0], code=app.code()).status_code == 200

    def test_are_cleared_by_a_whole_one(self, api: Api, app: Authenticator) -> None:
        self.wrong(api, 4)

        assert finish(api, waiting(api), code=app.code()).status_code == 200

        assert self.wrong(api, 6) == [401] * 5 + [429]


class TestRecoveryCode:
    def test_finishes_a_sign_in_once(self, api: Api, app: Authenticator) -> None:
        code = app.recovery_codes[0]

        answer = finish(api, waiting(api), recovery_code=code)

        assert answer.status_code == 200
        assert finish(api, waiting(api), recovery_code=code).code == "INVALID_MFA_CODE"

    def test_sent_by_many_at_once_opens_one_session(self, api: Api, app: Authenticator) -> None:
        tokens = [waiting(api) for _ in range(8)]

        answers = at_once(8, lambda number: finish(api, tokens[number], recovery_code=app.recovery_codes[0]))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
