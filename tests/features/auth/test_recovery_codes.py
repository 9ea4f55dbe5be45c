"""Recovery codes: ten, shown once, each good once."""

import re

import pytest
from sqlalchemy import select

from app.core.keyring import digest
from app.features.factors.models import RecoveryCode
from app.infra import db
from tests.api import Api, Person, a_user
from tests.authenticator import Authenticator, enrolled, finish, half_signed_in, reauthenticated
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, the_trail
from tests.mails import letters

RENEW = "/auth/mfa/recovery-codes"


@pytest.fixture
def grace() -> Person:
    return a_user()


@pytest.fixture
def app(api: Api, clock: Clock, grace: Person) -> Authenticator:
    return enrolled(api, grace)


def left(api: Api, person: Person) -> int:
    return int(api.as_(person).get("/auth/mfa").result["recovery_codes_left"])


class TestCodes:
    def test_are_ten_of_120_bits_in_groups_of_six(self, app: Authenticator) -> None:
        assert len(set(app.recovery_codes)) == 10
        assert all(re.fullmatch(r"([A-Z2-7]{6}-){3}[A-Z2-7]{6}", code) for code in app.recovery_codes)

    def test_are_kept_as_hashes(self, app: Authenticator) -> None:
        with db.unit_of_work(writes=False):
            hashes = set(db.session().scalars(select(RecoveryCode.hash)))

        assert hashes == {digest(code.replace("-", "")) for code in app.recovery_codes}
        assert [code for code in app.recovery_codes if code in the_trail() + repr(letters())] == []

    def test_open_a_session_that_says_so(self, api: Api, grace: Person, app: Authenticator) -> None:
        assert finish(api, half_signed_in(api, grace), recovery_code=app.recovery_codes[3]).status_code == 200

        assert live_sessions_of(grace)[-1].methods == ["pwd", "rec", "mfa"]

    @pytest.mark.parametrize(
        "typed",
        [
            pytest.param(str.lower, id="small letters"),
            pytest.param(lambda code: code.replace("-", ""), id="no dashes"),
            pytest.param(lambda code: code.replace("-", " "), id="spaces"),
            pytest.param(lambda code: f"  {code.lower().replace('-', ' - ')} ", id="all of it"),
        ],
    )
    def test_are_taken_as_people_type_them(self, api: Api, grace: Person, app: Authenticator, typed: object) -> None:
        code = typed(app.recovery_codes[0])  # type: ignore[operator]  # a function of the cases

        assert finish(api, half_signed_in(api, grace), recovery_code=code).status_code == 200

    @pytest.mark.parametrize(
        "code", ["------", "AAAAAA-AAAAAA-AAAAAA-AAAAAA", "\u017f" * 24, "\u0131" * 24, "0" * 24, "A" * 23]
    )
    def test_that_are_none_are_refused(self, api: Api, grace: Person, app: Authenticator, code: str) -> None:
        answer = finish(api, half_signed_in(api, grace), recovery_code=code)

        assert (answer.status_code, answer.code) == (401, "INVALID_MFA_CODE")

    def test_with_look_alikes_of_their_letters_are_refused(self, api: Api, grace: Person, app: Authenticator) -> None:
        code = next(code for code in app.recovery_codes if not {"S", "I"}.isdisjoint(code))
        alike = code.replace("S", "\u017f").replace("I", "\u0131")

        assert alike.upper() == code
        assert finish(api, half_signed_in(api, grace), recovery_code=alike).status_code == 401

    def test_of_another_are_refused_and_stay_good(self, api: Api, grace: Person, app: Authenticator) -> None:
        bob = a_user()
        enrolled(api, bob)

        assert finish(api, half_signed_in(api, bob), recovery_code=app.recovery_codes[0]).status_code == 401

        assert finish(api, half_signed_in(api, grace), recovery_code=app.recovery_codes[0]).status_code == 200

    def test_that_were_used_are_told_to_the_owner(self, api: Api, grace: Person, app: Authenticator) -> None:
        finish(api, half_signed_in(api, grace), recovery_code=app.recovery_codes[0])

        letter = letters("recovery_code_used")[0]
        assert letter.to == grace.email
        assert "9 are left" in letter.context["what"]
        assert left(api, grace) == 9

    def test_that_were_used_up_are_no_method_any_more(self, api: Api, grace: Person, app: Authenticator) -> None:
        for code in app.recovery_codes:
            assert finish(api, half_signed_in(api, grace), recovery_code=code).status_code == 200

        answer = api.post("/auth/login", {"username": grace.username, "password": grace.password})

        assert answer.result["methods"] == ["totp"]


class TestRenew:
    def test_makes_new_ones_and_voids_the_old(self, api: Api, grace: Person, app: Authenticator) -> None:
        old = app.recovery_codes[0]

        answer = api.as_(grace).post(RENEW)

        assert answer.status_code == 200
        new = answer.result["recovery_codes"]
        assert len(new) == 10
        assert finish(api, half_signed_in(api, grace), recovery_code=old).status_code == 401
        assert finish(api, half_signed_in(api, grace), recovery_code=new[0]).status_code == 200

    def test_is_audited_and_told_to_the_owner(self, api: Api, grace: Person, app: Authenticator) -> None:
        api.as_(grace).post(RENEW)

        assert audited("mfa_enrolled")[0].detail == {"factor": "recovery_codes"}
        assert "recovery codes" in letters("second_factor_changed")[-1].context["what"]

    def test_needs_a_fresh_proof(self, api: Api, grace: Person, app: Authenticator, clock: Clock) -> None:
        clock.advance(minutes=10)

        assert api.as_(grace).post(RENEW).code == "REAUTHENTICATION_REQUIRED"

    def test_needs_a_factor_to_stand_in_for(self, api: Api, grace: Person) -> None:
        answer = reauthenticated(api, grace).post(RENEW)

        assert (answer.status_code, answer.code) == (409, "NO_SECOND_FACTOR")
