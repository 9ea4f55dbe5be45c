from urllib.parse import urlsplit

import pytest

from tests.api import Answer, Api, Person, a_user
from tests.links import NEW_PASSWORD, change_link, move, reset, reset_link, verify_link
from tests.mails import letters
from tests.world import PASSWORD

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PATHS = ("/reset-password", "/verify-email", "/change-email", "/undo-email")
TITLES = {
    "/reset-password": "Choose a new password",
    "/verify-email": "Confirm your address",
    "/change-email": "Change to this address",
    "/undo-email": "This was not you?",
}


@pytest.fixture
def grace() -> Person:
    return a_user(email_verified=True)


def send(api: Api, path: str, *, accept: str = BROWSER["Accept"], **form: str) -> Answer:
    client = api.app.test_client()
    client.response_wrapper = Answer
    answer = client.post(path, data=form, headers={"Accept": accept})
    assert isinstance(answer, Answer)
    return answer


def sign_in(api: Api, email: str, password: str = PASSWORD) -> int:
    return api.post("/auth/login", {"email": email, "password": password}).status_code


@pytest.mark.parametrize("path", PATHS)
class TestForms:
    def test_carry_the_code_of_the_link(self, api: Api, path: str) -> None:
        answer = api.get(f"{path}?token=abc-123", headers=BROWSER)

        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert TITLES[path] in answer.text
        assert '<input type="hidden" name="token" value="abc-123">' in answer.text
        assert f'<form method="post" action="{path}">' in answer.text

    def test_tell_the_code_to_no_other_site_and_no_cache(self, api: Api, path: str) -> None:
        for answer in (api.get(f"{path}?token=x", headers=BROWSER), send(api, path, token="x")):
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "unsafe" not in answer.headers["Content-Security-Policy"]

    def test_hold_no_script_and_no_style(self, api: Api, path: str) -> None:
        page = api.get(f"{path}?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", headers=BROWSER).text

        assert "<script" not in page
        assert "style=" not in page
        assert "<style" not in page

    @pytest.mark.parametrize("query", ["", "?token=", "?token=%00", "?token=a&token=b"])
    def test_open_without_a_good_code(self, api: Api, path: str, query: str) -> None:
        assert api.get(f"{path}{query}", headers=BROWSER).status_code == 200

    def test_explain_a_wrong_code(self, api: Api, path: str) -> None:
        answer = send(api, path, token="wrong", new_password=NEW_PASSWORD)

        assert (answer.status_code, answer.mimetype) == (422, "text/html")
        assert "This link is not valid or no longer valid." in answer.text
        assert TITLES[path] in answer.text

    def test_answer_programs_in_json(self, api: Api, path: str) -> None:
        answer = send(api, path, accept="application/json", token="wrong", new_password=NEW_PASSWORD)

        assert (answer.status_code, answer.code) == (422, "INVALID_TOKEN")

    def test_refuse_what_is_too_long(self, api: Api, path: str) -> None:
        assert send(api, path, token="x" * 301).status_code == 400
        assert send(api, path, token="x" * 20_000).status_code == 413


class TestReset:
    def test_consumes_nothing_when_it_is_opened(self, api: Api, grace: Person) -> None:
        token = reset_link(api, grace)
        link = urlsplit(letters("reset_password")[0].context["link"])

        for _ in range(3):
            assert api.get(f"{link.path}?{link.query}", headers=BROWSER).status_code == 200

        assert reset(api, token).status_code == 204

    def test_sets_the_password(self, api: Api, grace: Person) -> None:
        answer = send(api, "/reset-password", token=reset_link(api, grace), new_password=NEW_PASSWORD)

        assert answer.status_code == 200
        assert "Your password is set" in answer.text
        assert sign_in(api, grace.email, NEW_PASSWORD) == 200

    def test_explains_a_refused_password_and_keeps_the_form(self, api: Api, grace: Person) -> None:
        token = reset_link(api, grace)

        answer = send(api, "/reset-password", token=token, new_password="hunter2")

        assert answer.status_code == 422
        assert "Use at least 8 characters." in answer.text
        assert f'name="token" value="{token}"' in answer.text
        assert "hunter2" not in answer.text
        assert send(api, "/reset-password", token=token, new_password=NEW_PASSWORD).status_code == 200


class TestVerify:
    def test_proves_the_address(self, api: Api) -> None:
        grace = a_user()

        answer = send(api, "/verify-email", token=verify_link(api, grace))

        assert "Your address is confirmed" in answer.text
        assert api.as_(grace).get("/auth/me").result["email_verified"] is True


class TestChange:
    def test_switches_the_address(self, api: Api, grace: Person) -> None:
        answer = send(api, "/change-email", token=change_link(api, grace, "moved@people.test"))

        assert "Your address is changed" in answer.text
        assert sign_in(api, "moved@people.test") == 200

    def test_explains_that_the_address_is_taken(self, api: Api, grace: Person) -> None:
        token = change_link(api, grace, "moved@people.test")
        a_user(email="moved@people.test")

        answer = send(api, "/change-email", token=token)

        assert answer.status_code == 409
        assert "There is already an account with this e-mail address." in answer.text


class TestUndo:
    def test_gives_the_address_back(self, api: Api, grace: Person) -> None:
        old = grace.email

        answer = send(api, "/undo-email", token=move(api, grace, "moved@people.test"))

        assert "Your account has this address again" in answer.text
        assert letters("reset_password")[-1].to == old
