import pytest

from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.links import reset, reset_link
from tests.mails import letters


class TestWrongCodes:
    @pytest.mark.parametrize("token", ["", "x", "0" * 43, "\u00e9", "' OR 1=1 --", "x" * 4096])
    def test_get_one_answer(self, api: Api, token: str) -> None:
        reset_link(api, a_user())

        answer = reset(api, token)

        assert (answer.status_code, answer.code) == (422, "INVALID_TOKEN")

    def test_are_not_told_from_nobodys(self, api: Api) -> None:
        api.post("/auth/password/forgot", {"email": "nobody@people.test"})

        assert reset(api, letters()[0].token).code == "INVALID_TOKEN"

    def test_are_checked_twenty_times_an_hour_and_then_the_right_one_is_refused_too(
        self, api: Api, clock: Clock
    ) -> None:
        token = reset_link(api, a_user())

        statuses = [reset(api, "wrong").status_code for _ in range(20)]
        right = reset(api, token)

        assert statuses == [422] * 20
        assert (right.status_code, right.headers["Retry-After"]) == (429, "3600")
        assert reset(api.at("192.0.2.1"), token).status_code == 204

    def test_of_forty_at_once_are_checked_twenty_times(self, api: Api) -> None:
        answers = at_once(40, lambda number: reset(api, f"wrong {number}"))

        assert sorted(answer.status_code for answer in answers) == [422] * 20 + [429] * 20

    def test_are_not_those_whose_password_was_weak(self, api: Api) -> None:
        token = reset_link(api, a_user())

        statuses = [reset(api, token, "weak").status_code for _ in range(22)]

        assert statuses == [422] * 22
        assert reset(api, token).status_code == 204
