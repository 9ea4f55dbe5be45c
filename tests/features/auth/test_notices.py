import pytest

from app.features.auth import notices
from tests.api import Api, a_user
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.links import NEW_PASSWORD
from tests.mails import letters
from tests.world import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LATER_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"


def with_browser(api: Api, user_agent: str) -> Api:
    return Api(api.app, None, {"User-Agent": user_agent}, api.address)


class TestNewDevice:
    def test_is_no_news_at_the_first_sign_in(self, api: Api) -> None:
        api.sign_in(a_user())

        assert letters("new_device") == []

    def test_is_told(self, api: Api) -> None:
        grace = a_user()
        with_browser(api, FIREFOX).sign_in(grace)

        with_browser(api, SAFARI).sign_in(grace)

        (letter,) = letters("new_device")
        assert letter.to == grace.email
        assert letter.context["device"] == "Safari on an iPhone"
        assert letter.context["ip"] == "127.0.0.1"

    def test_is_also_a_known_browser_in_an_unknown_network(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)

        api.at("192.0.2.7").sign_in(grace)

        assert len(letters("new_device")) == 1

    @pytest.mark.parametrize("again", [FIREFOX, LATER_FIREFOX], ids=["same", "updated"])
    def test_is_not_one_that_was_used_lately(self, api: Api, again: str) -> None:
        grace = a_user()
        with_browser(api, FIREFOX).sign_in(grace)

        with_browser(api, again).sign_in(grace)

        assert letters("new_device") == []

    def test_is_one_that_was_not_used_for_thirty_days(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        api.sign_in(grace)
        clock.advance(days=30)

        api.sign_in(grace)

        assert len(letters("new_device")) == 1

    def test_is_not_told_of_a_failed_sign_in(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)

        api.at("192.0.2.7").post("/auth/login", {"username": grace.username, "password": "wrong"})

        assert letters() == []

    @pytest.mark.parametrize(
        ("user_agent", "words"),
        [
            (FIREFOX, "Firefox on Linux"),
            (SAFARI, "Safari on an iPhone"),
            ("python-requests/2.32", "an unknown program"),
            ("Your account is locked, call http://evil.test", "an unknown program"),
            (None, "an unknown program"),
        ],
    )
    def test_is_put_into_words_of_our_own(self, user_agent: str | None, words: str) -> None:
        assert notices.in_words(user_agent) == words


class TestTokenReused:
    def test_is_told_once_although_the_request_is_refused(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        api.sign_in(grace)
        stolen = grace.refresh_token
        api.post("/auth/refresh", {"refresh_token": stolen})
        clock.advance(seconds=11)

        answers = at_once(5, lambda _: api.post("/auth/refresh", {"refresh_token": stolen}))

        assert {answer.status_code for answer in answers} == {401}
        assert [letter.to for letter in letters("token_reused")] == [grace.email]


class TestPasswordChanged:
    def test_is_told(self, api: Api) -> None:
        grace = a_user()

        api.as_(grace).post("/auth/password/change", {"current_password": PASSWORD, "new_password": NEW_PASSWORD})

        (letter,) = letters("password_changed")
        assert letter.to == grace.email
        assert NEW_PASSWORD not in repr(letter)

    def test_is_not_told_of_what_was_refused(self, api: Api) -> None:
        hers = api.as_(a_user())

        hers.post("/auth/password/change", {"current_password": "wrong", "new_password": NEW_PASSWORD})
        hers.post("/auth/password/change", {"current_password": PASSWORD, "new_password": "weak"})

        assert letters() == []
