"""Authenticator apps: enrolling one, what its codes open, and removing it."""

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from app.infra import db
from tests.api import Api, Person, a_user
from tests.authenticator import (
    STEP,
    begun,
    enrolled,
    finish,
    half_signed_in,
    reauthenticated,
    sign_in_fully,
)
from tests.conftest import Clock
from tests.features.auth.looks import audited, live_sessions_of, sessions_of, the_trail
from tests.features.auth.together import at_once
from tests.mails import letters
from tests.world import SERVICES, World

TOTP, CONFIRM = "/auth/mfa/totp", "/auth/mfa/totp/confirm"


class TestBegin:
    def test_shows_the_secret_and_what_its_qr_code_says(self, api: Api) -> None:
        grace = a_user(email="grace@navy.test")

        answer = reauthenticated(api, grace).post(TOTP)

        assert answer.status_code == 200
        assert len(answer.result["secret"]) == 32
        uri = urlsplit(answer.result["otpauth_uri"])
        assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/carboy:grace%40navy.test")
        assert parse_qs(uri.query) == {"secret": [answer.result["secret"]], "issuer": ["carboy"]}

    def test_needs_a_fresh_proof(self, api: Api) -> None:
        answer = api.as_(a_user()).post(TOTP)

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")

    def test_asks_for_nothing_yet(self, api: Api) -> None:
        grace = a_user()
        begun(api, grace)

        answer = api.sign_in(grace)

        assert "access_token" in answer.result
        assert api.as_(grace).get("/auth/me").result["mfa_enabled"] is False

    def test_again_replaces_what_was_not_confirmed(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        first, second = begun(api, grace), begun(api, grace)
        hers = api.as_(grace)

        assert first.secret != second.secret
        assert hers.post(CONFIRM, {"code": first.code()}).status_code == 403
        assert hers.post(CONFIRM, {"code": second.code()}).status_code == 200

    def test_is_refused_while_there_is_one(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)

        answer = api.as_(grace).post(TOTP)

        assert (answer.status_code, answer.code) == (409, "TOTP_ENROLLED")
        clock.advance(seconds=STEP)
        assert finish(api, half_signed_in(api, grace), code=app.code()).status_code == 200


class TestConfirm:
    def test_enrols_and_hands_out_recovery_codes(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = begun(api, grace)

        answer = api.as_(grace).post(CONFIRM, {"code": app.code()})

        assert answer.status_code == 200
        assert len(set(answer.result["recovery_codes"])) == 10
        assert api.as_(grace).get("/auth/me").result["mfa_enabled"] is True
        held = api.as_(grace).get("/auth/mfa").result
        assert held == {"totp": True, "passkeys": 0, "recovery_codes_left": 10}

    def test_upgrades_this_session_and_ends_the_others(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        api.sign_in(grace)
        other = Api(api.app, grace.access_token)
        grace.access_token = None

        enrolled(api, grace)

        assert other.get("/auth/me").status_code == 401
        assert [session.methods for session in live_sessions_of(grace)] == [["pwd", "otp", "mfa"]]
        assert sessions_of(grace)[0].revoke_reason == "factor_change"

    def test_is_audited_and_told_to_the_owner(self, api: Api, clock: Clock) -> None:
        grace = a_user()

        app = enrolled(api, grace)

        assert audited("mfa_enrolled")[0].detail == {"factor": "totp"}
        assert [letter.to for letter in letters("second_factor_changed")] == [grace.email]
        assert app.secret not in the_trail()
        assert app.secret not in repr(letters())

    def test_refuses_a_wrong_code(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = begun(api, grace)

        answer = api.as_(grace).post(CONFIRM, {"code": app.wrong})

        assert (answer.status_code, answer.code) == (403, "INVALID_MFA_CODE")
        assert api.as_(grace).get("/auth/me").result["mfa_enabled"] is False
        assert audited("authn_login_fail")[0].detail == {"code": "INVALID_MFA_CODE"}

    def test_checks_five_codes(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = begun(api, grace)
        statuses = [api.as_(grace).post(CONFIRM, {"code": app.wrong}).status_code for _ in range(5)]

        answer = api.as_(grace).post(CONFIRM, {"code": app.code()})

        assert statuses == [403] * 5
        assert (answer.status_code, answer.code) == (429, "TOO_MANY_ATTEMPTS")

    def test_needs_something_to_confirm(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        nothing = api.as_(grace).post(CONFIRM, {"code": "000000"})
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)

        twice = api.as_(grace).post(CONFIRM, {"code": app.code()})

        assert (nothing.status_code, nothing.code) == (409, "TOTP_NOT_BEGUN")
        assert (twice.status_code, twice.code) == (409, "TOTP_NOT_BEGUN")

    def test_of_two_at_once_one_wins(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app, hers = begun(api, grace), api.as_(grace)

        answers = at_once(2, lambda _: hers.post(CONFIRM, {"code": app.code()}))

        assert sorted(answer.status_code for answer in answers) == [200, 409]

    def test_leaves_no_session_that_is_opened_meanwhile_without_it(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app, hers = begun(api, grace), api.as_(grace)
        named = {"username": grace.username, "password": grace.password}
        sent = [(CONFIRM, {"code": app.code()}), *[("/auth/login", named)] * 4]

        at_once(5, lambda number: hers.post(*sent[number]))

        assert [session.methods for session in live_sessions_of(grace)] == [["pwd", "otp", "mfa"]]


class TestCode:
    """With the clock stopped at the beginning of a step."""

    @pytest.fixture
    def grace(self, clock: Clock) -> Person:
        clock.at = clock.at.replace(second=0)
        return a_user()

    def test_opens_the_session_that_waits(self, api: Api, grace: Person, clock: Clock) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)

        answer = finish(api, half_signed_in(api, grace), code=app.code())

        assert answer.status_code == 200
        assert answer.result.keys() == {
            "access_token",
            "refresh_token",
            "token_type",
            "expires_in",
            "refresh_expires_in",
            "user",
        }
        assert live_sessions_of(grace)[-1].methods == ["pwd", "otp", "mfa"]

    @pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 401), (2, 401)])
    def test_is_good_in_its_step_and_the_next(
        self, api: Api, grace: Person, clock: Clock, steps: int, status: int
    ) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=10 * STEP)

        answer = finish(api, half_signed_in(api, grace), code=app.code(steps=steps))

        assert answer.status_code == status

    def test_is_good_once(self, api: Api, grace: Person, clock: Clock) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        code = app.code()
        sign_in_fully(api, grace, code=code)

        again = finish(api, half_signed_in(api, grace), code=code)
        clock.advance(seconds=STEP - 1)
        late = finish(api, half_signed_in(api, grace), code=code)

        assert (again.status_code, again.code) == (401, "INVALID_MFA_CODE")
        assert late.status_code == 401

    def test_that_confirmed_is_used(self, api: Api, grace: Person) -> None:
        app = enrolled(api, grace)

        assert finish(api, half_signed_in(api, grace), code=app.code()).status_code == 401

    def test_of_an_earlier_step_than_one_used_is_not_good(self, api: Api, grace: Person, clock: Clock) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=10 * STEP)
        sign_in_fully(api, grace, code=app.code())

        assert finish(api, half_signed_in(api, grace), code=app.code(steps=-1)).status_code == 401

    def test_sent_by_many_at_once_opens_one_session(self, api: Api, grace: Person, clock: Clock) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        tokens = [half_signed_in(api, grace) for _ in range(8)]

        answers = at_once(8, lambda number: finish(api, tokens[number], code=app.code()))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7

    @pytest.mark.parametrize(
        "written",
        [
            pytest.param(lambda code: "".join(chr(ord(digit) + 0xFEE0) for digit in code), id="full width"),
            pytest.param(lambda code: "".join(chr(ord(digit) + 0x630) for digit in code), id="arabic"),
            pytest.param(lambda code: f" {code}", id="space before"),
            pytest.param(lambda code: f"{code}\n", id="line end"),
            pytest.param(lambda code: f"{code[:3]} {code[3:]}", id="space inside"),
            pytest.param(lambda code: f"0{code}", id="seven digits"),
            pytest.param(lambda code: code[:5], id="five digits"),
            pytest.param(lambda code: f"+{code}", id="sign"),
        ],
    )
    def test_is_six_ascii_digits(self, api: Api, grace: Person, clock: Clock, written: object) -> None:
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        token = half_signed_in(api, grace)

        answer = finish(api, token, code=written(app.code()))  # type: ignore[operator]  # a lambda of the cases

        assert (answer.status_code, answer.code) == (401, "INVALID_MFA_CODE")
        assert finish(api, token, code=app.code()).status_code == 200

    def test_of_another_is_not_good(self, api: Api, grace: Person, clock: Clock) -> None:
        enrolled(api, grace)
        theirs = enrolled(api, a_user())
        clock.advance(seconds=STEP)

        assert finish(api, half_signed_in(api, grace), code=theirs.code()).status_code == 401


class TestRemove:
    def test_lets_the_password_suffice_again(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        other = sign_in_fully(api, grace, code=app.code())

        answer = api.as_(grace).delete(TOTP)

        assert answer.status_code == 204
        assert other.get("/auth/me").status_code == 401
        held = api.as_(grace).get("/auth/mfa").result
        assert held == {"totp": False, "passkeys": 0, "recovery_codes_left": 0}
        assert "access_token" in api.sign_in(grace).result

    def test_is_audited_and_told_to_the_owner(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        enrolled(api, grace)

        api.as_(grace).delete(TOTP)

        assert audited("mfa_removed")[0].detail == {"factor": "totp"}
        assert "removed" in letters("second_factor_changed")[-1].context["what"]

    def test_needs_a_fresh_proof(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        enrolled(api, grace)
        clock.advance(minutes=10)

        answer = api.as_(grace).delete(TOTP)

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")

    def test_of_one_that_was_not_confirmed_only_forgets_it(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        begun(api, grace)

        answer = api.as_(grace).delete(TOTP)

        assert answer.status_code == 204
        assert letters("second_factor_changed") == []
        assert api.as_(grace).delete(TOTP).status_code == 404

    def test_then_enrol_anew_does_not_bring_back_the_old_secret(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        old = enrolled(api, grace)
        api.as_(grace).delete(TOTP)
        new = enrolled(api, grace)
        clock.advance(seconds=STEP)

        assert finish(api, half_signed_in(api, grace), code=old.code()).status_code == 401
        assert finish(api, half_signed_in(api, grace), code=new.code()).status_code == 200


class TestAtRest:
    def test_the_secret_is_encrypted(self, api: Api, world: World, clock: Clock) -> None:
        app = enrolled(api, a_user())

        with db.unit_of_work(writes=False):
            stored = db.session().connection().exec_driver_sql("SELECT secret FROM totp_secrets").scalar_one()

        assert app.secret.encode() not in bytes(stored)
        assert len(bytes(stored)) > len(app.secret)

    @pytest.mark.skipif(SERVICES, reason="reads the file of SQLite")
    def test_nothing_of_it_is_in_the_file(self, api: Api, world: World, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)

        files = b"".join(path.read_bytes() for path in world.var.glob("carboy.db*"))

        assert grace.email.encode() in files
        assert app.secret.encode() not in files
        assert [code for code in app.recovery_codes if code.encode() in files] == []
        assert [code for code in app.recovery_codes if code.replace("-", "").encode() in files] == []

    def test_a_secret_that_no_key_opens_leaves_recovery_codes(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)
        with db.unit_of_work():
            lost = {"lost": b"sealed with a key that is gone"}
            db.session().execute(text("UPDATE totp_secrets SET secret = :lost"), lost)
        token = half_signed_in(api, grace)

        answer = finish(api, token, code=app.code())

        assert (answer.status_code, answer.code) == (401, "INVALID_MFA_CODE")
        assert finish(api, token, recovery_code=app.recovery_codes[0]).status_code == 200
