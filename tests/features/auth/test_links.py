from collections.abc import Callable
from datetime import timedelta

import pytest

from app.core import clock as system_clock
from app.features.auth import service as auth
from app.infra import db
from tests.api import Answer, Api, Person, a_user
from tests.conftest import Clock
from tests.links import NEW_PASSWORD, change_link, codes, move, reset_link, verify_link

Make = Callable[[Api, Person], str]

ISSUED: dict[str, Make] = {
    "reset": reset_link,
    "verify": verify_link,
    "change": lambda api, person: change_link(api, person, "moved@people.test"),
    "undo": lambda api, person: move(api, person, "moved@people.test"),
}
USED = {
    "reset": "/auth/password/reset",
    "verify": "/auth/email/verify",
    "change": "/auth/email/change/confirm",
    "undo": "/auth/email/change/undo",
}
MIXED = [(made, used) for made in ISSUED for used in USED if made != used]


def use(api: Api, kind: str, token: str) -> Answer:
    more = {"new_password": NEW_PASSWORD} if kind == "reset" else {}
    return api.post(USED[kind], {"token": token, **more})


class TestPurposes:
    @pytest.mark.parametrize(("made", "used"), MIXED, ids=lambda kind: kind)
    def test_are_kept_apart(self, api: Api, made: str, used: str) -> None:
        token = ISSUED[made](api, a_user(email_verified=made in {"change", "undo"}))

        answer = use(api, used, token)

        assert (answer.status_code, answer.code) == (422, "INVALID_TOKEN")
        assert use(api, made, token).status_code == 204

    @pytest.mark.parametrize("kind", USED)
    def test_know_no_other_tokens(self, api: Api, kind: str) -> None:
        grace = a_user()
        api.sign_in(grace)
        with db.unit_of_work():
            setup = auth.make_setup_code()

        tokens = [grace.access_token, grace.refresh_token, setup]

        assert [use(api, kind, str(token)).code for token in tokens] == ["INVALID_TOKEN"] * 3

    @pytest.mark.parametrize("kind", USED)
    def test_do_not_open_the_api(self, api: Api, kind: str) -> None:
        token = ISSUED[kind](api, a_user(email_verified=kind == "undo"))

        answer = api.get("/auth/me", headers={"Authorization": f"Bearer {token}"})

        assert (answer.status_code, answer.code) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("kind", USED)
    @pytest.mark.parametrize("body", [{}, {"token": None}, {"token": 7}, {"token": ["x"]}, {"token": "x", "id": 1}])
    def test_take_a_code_and_nothing_else(self, api: Api, kind: str, body: dict[str, object]) -> None:
        answer = api.post(USED[kind], {"new_password": NEW_PASSWORD, **body} if kind == "reset" else body)

        assert (answer.status_code, answer.code) == (422, "VALIDATION_ERROR")


class TestForgetting:
    def test_deletes_codes_that_ended(self, api: Api, clock: Clock) -> None:
        reset_link(api, a_user())
        clock.advance(minutes=20)
        reset_link(api, a_user())
        clock.advance(minutes=15)

        auth.forget_expired_links()

        assert [system_clock.now() - code.created_at for code in codes()] == [timedelta(minutes=15)]
