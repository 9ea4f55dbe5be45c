"""POST /auth/login/mfa: the token that waits."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from app.features.auth.models import OneTimeCode
from app.infra import db
from tests.api import Answer, Api, a_user, an_admin
from tests.authenticator import (
    STEP,
    Authenticator,
    enrolled,
    finish,
    half_signed_in,
    waiting,
)
from tests.conftest import Clock
from tests.features.auth.looks import buckets, live_sessions_of, the_trail
from tests.features.auth.together import at_once
from tests.world import PASSWORD

LOGIN = "/auth/login"


def stored() -> list[OneTimeCode]:
    with db.unit_of_work(writes=False):
        return list(db.session().scalars(select(OneTimeCode).where(OneTimeCode.purpose == "mfa")))


class TestToken:
    def test_is_given_instead_of_a_session(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        enrolled(api, grace)
        before = len(live_sessions_of(grace))

        answer = api.post(LOGIN, {"email": grace.email, "password": PASSWORD})

        assert answer.status_code == 200
        assert answer.result.keys() == {"mfa_required", "mfa_token", "methods"}
        assert answer.result["mfa_required"] is True
        assert answer.result["methods"] == ["totp", "recovery_code"]
        assert len(live_sessions_of(grace)) == before

    def test_is_not_given_for_a_wrong_password(self, api: Api, app: Authenticator) -> None:
        answer = api.post(LOGIN, {"username": "grace", "password": "wrong"})

        assert (answer.status_code, answer.code) == (401, "INVALID_CREDENTIALS")
        assert stored() == []

    def test_is_kept_as_a_hash(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)

        row = stored()[0]

        assert len(token) >= 43
        assert token not in repr([row.hash, row.detail])
        assert token not in the_trail()

    def test_works_once(self, api: Api, app: Authenticator, clock: Clock) -> None:
        token = waiting(api)
        assert finish(api, token, code=app.code()).status_code == 200
        clock.advance(seconds=STEP)

        answer = finish(api, token, code=app.code())

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    def test_with_two_factors_at_once_opens_one_session(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)
        proofs = [{"code": app.code()}, {"recovery_code": app.recovery_codes[0]}]

        answers = at_once(2, lambda number: finish(api, token, **proofs[number]))

        assert sorted(answer.status_code for answer in answers) == [200, 401]

    def test_works_for_five_minutes(self, api: Api, app: Authenticator, clock: Clock) -> None:
        late, in_time = waiting(api), waiting(api)
        clock.advance(minutes=4, seconds=59)
        assert finish(api, in_time, code=app.code()).status_code == 200
        clock.advance(seconds=1)

        answer = finish(api, late, recovery_code=app.recovery_codes[0])

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    def test_survives_a_wrong_code(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)
        assert finish(api, token, code=app.wrong).status_code == 401

        assert finish(api, token, code=app.code()).status_code == 200

    def test_is_of_one_user(self, api: Api, app: Authenticator, clock: Clock) -> None:
        bob = a_user()
        enrolled(api, bob)

        answer = finish(api, half_signed_in(api, bob), code=app.code())

        assert (answer.status_code, answer.code) == (401, "INVALID_MFA_CODE")

    @pytest.mark.parametrize("forged", ["", "x", "x" * 43, "x" * 4096, "é" * 20])
    def test_that_is_made_up_is_refused_and_not_counted(self, api: Api, app: Authenticator, forged: str) -> None:
        before = buckets()

        answer = finish(api, forged, code=app.code())

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")
        assert buckets() == before

    def test_opens_nothing_else(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)

        bearer = {"Authorization": f"Bearer {token}"}

        assert api.get("/auth/me", headers=bearer).status_code == 401
        assert api.post("/auth/refresh", headers=bearer).status_code == 401
        assert api.post("/auth/refresh", {"refresh_token": token}).status_code == 401
        assert api.post("/auth/logout", headers=bearer).status_code == 401

    def test_is_no_other_token(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        clock.advance(seconds=STEP)

        for token in (grace.access_token, grace.refresh_token):
            answer = finish(api, str(token), code=app.code())
            assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    def test_is_no_code_for_another_purpose(self, api: Api, app: Authenticator) -> None:
        token = waiting(api)
        with db.unit_of_work():
            for row in db.session().scalars(select(OneTimeCode).where(OneTimeCode.purpose == "mfa")):
                row.purpose = "password_reset"

        assert finish(api, token, code=app.code()).code == "INVALID_TOKEN"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"code": "000000", "recovery_code": "x"},
            {"code": "000000", "passkey": {}},
            {"code": None},
            {"code": 123456},
            {"code": ""},
            {"code": "1" * 65},
            {"password": PASSWORD},
            {"passkey": "x"},
            {"code": "000000", "user_id": 1},
        ],
        ids=repr,
    )
    def test_goes_with_exactly_one_factor(self, api: Api, app: Authenticator, body: dict[str, object]) -> None:
        answer = finish(api, waiting(api), **body)

        assert (answer.status_code, answer.code) == (422, "VALIDATION_ERROR")

    def test_goes_with_a_passkey_that_is_not_accepted(self, api: Api, app: Authenticator) -> None:
        answer = finish(api, waiting(api), passkey={"id": "AAAA", "rawId": "AAAA", "type": "public-key"})

        assert answer.status_code in {401, 422}
        assert answer.code != "INVALID_TOKEN"


class TestVoided:
    def test_by_a_change_of_the_password(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        token = half_signed_in(api, grace)
        new = {"current_password": PASSWORD, "new_password": "Another-Horse-8-Battery"}

        assert api.as_(grace).post("/auth/password/change", new).status_code == 204

        assert finish(api, token, recovery_code=app.recovery_codes[0]).code == "INVALID_TOKEN"

    @pytest.mark.parametrize("what", ["disable", "delete", "revoke"])
    def test_by_an_administrator(self, api: Api, clock: Clock, what: str) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        token, admin, path = half_signed_in(api, grace), api.as_(an_admin()), f"/api/v1/users/{grace.id}"
        acts: dict[str, Callable[[], Answer]] = {
            "disable": lambda: admin.patch(path, {"is_active": False}),
            "delete": lambda: admin.delete(path),
            "revoke": lambda: admin.post(f"{path}/sessions:revoke"),
        }

        assert acts[what]().status_code < 300

        assert finish(api, token, recovery_code=app.recovery_codes[0]).code == "INVALID_TOKEN"
        assert stored() == []

    def test_by_signing_out_everywhere(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        token = half_signed_in(api, grace)

        api.as_(grace).post("/auth/logout?scope=global")

        assert finish(api, token, recovery_code=app.recovery_codes[0]).code == "INVALID_TOKEN"

    def test_by_a_change_of_factors(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        app = enrolled(api, grace)
        token = half_signed_in(api, grace)

        api.as_(grace).delete("/auth/mfa/totp")

        assert finish(api, token, recovery_code=app.recovery_codes[0]).code == "INVALID_TOKEN"

    def test_rows_that_are_over_do_not_pile_up(self, api: Api, app: Authenticator, clock: Clock) -> None:
        for _ in range(3):
            waiting(api)
            clock.advance(minutes=5)

        waiting(api)

        assert len(stored()) == 1
