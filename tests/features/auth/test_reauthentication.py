"""POST /auth/reauth: proving once more who one is, before what a stolen session must not do."""

import pytest
from sqlalchemy import update

from app.features.auth.models import Session
from app.infra import db
from tests.api import Answer, Api, Person, a_user, an_admin
from tests.authenticator import STEP, Authenticator, enrolled, sign_in_fully
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, sessions_of
from tests.features.auth.together import at_once
from tests.mails import letters
from tests.world import PASSWORD

REAUTH, STAR = "/auth/reauth", "/auth/mfa/totp"


def weaken(person: Person) -> None:
    """Let the sessions of somebody look as if they were opened with the password alone."""
    with db.unit_of_work():
        db.session().execute(update(Session).where(Session.user_id == person.id).values(methods=["pwd"]))


class TestPassword:
    def test_opens_what_needs_it_for_ten_minutes(self, api: Api, clock: Clock) -> None:
        hers = api.as_(a_user())
        assert hers.post(STAR).code == "REAUTHENTICATION_REQUIRED"

        answer = hers.post(REAUTH, {"password": PASSWORD})

        assert answer.status_code == 200
        clock.advance(minutes=9, seconds=59)
        assert hers.post(STAR).status_code == 200
        clock.advance(seconds=1)
        assert hers.post(STAR).code == "REAUTHENTICATION_REQUIRED"

    def test_says_until_when(self, api: Api, clock: Clock) -> None:
        answer = api.as_(a_user()).post(REAUTH, {"password": PASSWORD})

        clock.advance(minutes=10)
        assert answer.result == {"reauthenticated_until": f"{clock.at:%Y-%m-%dT%H:%M:%S}.000Z"}

    def test_counts_for_this_session_only(self, api: Api) -> None:
        grace = a_user()
        first = api.as_(grace)
        grace.access_token = None
        second = api.as_(grace)

        first.post(REAUTH, {"password": PASSWORD})

        assert second.post(STAR).code == "REAUTHENTICATION_REQUIRED"

    def test_that_is_wrong_opens_nothing_and_keeps_the_session(self, api: Api) -> None:
        hers = api.as_(a_user())

        answer = hers.post(REAUTH, {"password": "wrong"})

        assert (answer.status_code, answer.code) == (403, "WRONG_PASSWORD")
        assert hers.post(STAR).code == "REAUTHENTICATION_REQUIRED"
        assert hers.get("/auth/me").status_code == 200

    def test_alone_suffices_in_a_session_with_a_second_factor(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        hers = sign_in_fully(api, grace, code=app.code())

        assert hers.post(REAUTH, {"password": PASSWORD}).status_code == 200

    def test_alone_does_not_suffice_in_one_without(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        weaken(grace)
        clock.advance(seconds=STEP)
        hers = api.as_(grace)

        answer = hers.post(REAUTH, {"password": PASSWORD})

        assert (answer.status_code, answer.code) == (403, "SECOND_FACTOR_REQUIRED")
        assert hers.post(REAUTH, {"code": app.code()}).status_code == 200

    def test_of_forty_wrong_ones_at_once_five_are_checked(self, api: Api, hashings: list[str]) -> None:
        hers = api.as_(a_user())
        hashings.clear()

        answers = at_once(40, lambda _: hers.post(REAUTH, {"password": "wrong"}))

        assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 35
        assert len(hashings) == 5
        assert hers.post(REAUTH, {"password": PASSWORD}).code == "TOO_MANY_ATTEMPTS"


class TestFactor:
    @pytest.fixture
    def grace(self) -> Person:
        return a_user()

    @pytest.fixture
    def app(self, api: Api, clock: Clock, grace: Person) -> Authenticator:
        app = enrolled(api, grace)
        clock.advance(minutes=11)
        return app

    def again(self, api: Api, grace: Person, **proof: object) -> Answer:
        return api.as_(grace).post(REAUTH, proof)

    def test_opens_what_needs_it(self, api: Api, grace: Person, app: Authenticator) -> None:
        assert api.as_(grace).delete(STAR).code == "REAUTHENTICATION_REQUIRED"

        assert self.again(api, grace, code=app.code()).status_code == 200

        assert api.as_(grace).delete(STAR).status_code == 204

    def test_works_once(self, api: Api, grace: Person, app: Authenticator) -> None:
        self.again(api, grace, code=app.code())

        answer = self.again(api, grace, code=app.code())

        assert (answer.status_code, answer.code) == (403, "INVALID_MFA_CODE")

    def test_may_be_a_recovery_code_which_is_told(self, api: Api, grace: Person, app: Authenticator) -> None:
        assert self.again(api, grace, recovery_code=app.recovery_codes[0]).status_code == 200

        assert self.again(api, grace, recovery_code=app.recovery_codes[0]).status_code == 403
        assert len(letters("recovery_code_used")) == 1

    def test_may_not_be_a_passkey_that_is_not_ones_own(self, api: Api, grace: Person, app: Authenticator) -> None:
        answer = self.again(api, grace, passkey={"id": "AAAA", "rawId": "AAAA", "type": "public-key"})

        assert answer.status_code in {403, 422}

    def test_is_tried_five_times_in_a_session(self, api: Api, grace: Person, app: Authenticator) -> None:
        answers = at_once(40, lambda _: self.again(api, grace, code=app.wrong))

        assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 35
        assert self.again(api, grace, code=app.code()).code == "TOO_MANY_ATTEMPTS"

    def test_of_somebody_who_has_none_is_refused(self, api: Api) -> None:
        answer = api.as_(a_user()).post(REAUTH, {"code": "000000"})

        assert (answer.status_code, answer.code) == (403, "INVALID_MFA_CODE")


class TestRules:
    @pytest.mark.parametrize(
        "body",
        [{}, {"password": PASSWORD, "code": "000000"}, {"password": None}, {"code": 1}, {"passkey": []}, {"x": 1}],
        ids=repr,
    )
    def test_takes_exactly_one_proof(self, api: Api, body: dict[str, object]) -> None:
        assert api.as_(a_user()).post(REAUTH, body).status_code == 422

    def test_a_fresh_sign_in_does_not_count(self, api: Api, clock: Clock) -> None:
        grace = a_user()

        assert api.as_(grace).post(STAR).code == "REAUTHENTICATION_REQUIRED"
        assert sessions_of(grace)[0].reauthenticated_at is None

    def test_is_not_for_who_acts_as_another(self, api: Api) -> None:
        grace, admin = a_user(), an_admin()
        hers = api.as_(grace)
        with db.unit_of_work():
            db.session().execute(update(Session).where(Session.user_id == grace.id).values(impersonator_id=admin.id))

        answer = hers.post(REAUTH, {"password": PASSWORD})

        assert (answer.status_code, answer.code) == (403, "IMPERSONATION_FORBIDS")

    def test_is_audited_whatever_becomes_of_it(self, api: Api) -> None:
        grace = a_user()
        hers = api.as_(grace)

        hers.post(REAUTH, {"password": "wrong"})
        hers.post(REAUTH, {"password": PASSWORD})

        assert audited("authn_login_fail")[0].detail == {"code": "WRONG_PASSWORD"}
        target = audited("authn_reauthenticated")[0].target
        assert target is not None
        assert target.id == str(live_sessions_of(grace)[0].id)

    def test_ends_with_the_session(self, api: Api) -> None:
        hers = api.as_(a_user())
        hers.post("/auth/logout")

        assert hers.post(REAUTH, {"password": PASSWORD}).status_code == 401

    def test_is_never_replayed_from_an_idempotency_key(self, api: Api, clock: Clock) -> None:
        hers, key = api.as_(a_user()), {"Idempotency-Key": "the same key"}
        hers.post(REAUTH, {"password": PASSWORD}, headers=key)
        clock.advance(minutes=10)

        answer = hers.post(REAUTH, {"password": PASSWORD}, headers=key)

        assert "Idempotency-Replayed" not in answer.headers
        assert hers.post(STAR).status_code == 200
