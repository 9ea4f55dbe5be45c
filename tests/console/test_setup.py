import pytest
from sqlalchemy import select, update

from app.features.accounts.models import User
from app.features.auth import service as auth
from app.features.auth.models import OneTimeCode
from app.infra import db
from tests.api import Answer, Api, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited, the_trail, users_named
from tests.features.auth.together import at_once

PASSWORD = "Correct-Horse-7-Battery"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def a_code() -> str:
    with db.unit_of_work():
        code = auth.make_setup_code()
    assert code is not None
    return code


def set_up(api: Api, code: str, **changed: str) -> Answer:
    form = {"username": "ada", "email": "ada@engines.test", "password": PASSWORD, "code": code, **changed}
    client = api.app.test_client()
    client.response_wrapper = Answer
    answer = client.post("/setup", data=form, headers={**BROWSER, **api.headers})
    assert isinstance(answer, Answer)
    return answer


class TestForm:
    def test_carries_the_code(self, api: Api) -> None:
        answer = api.get("/setup?code=abc-123", headers=BROWSER)

        assert answer.status_code == 200
        assert answer.mimetype == "text/html"
        assert '<input type="hidden" name="code" value="abc-123">' in answer.text
        assert '<form method="post" action="/setup">' in answer.text

    def test_does_not_tell_the_code_to_other_sites_or_caches(self, api: Api) -> None:
        answer = api.get(f"/setup?code={a_code()}", headers=BROWSER)

        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]

    def test_consumes_nothing(self, api: Api) -> None:
        code = a_code()

        for _ in range(2):
            api.get(f"/setup?code={code}", headers=BROWSER)

        assert set_up(api, code).status_code == 200

    def test_is_not_tricked_into_markup(self, api: Api) -> None:
        answer = api.get("/setup?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", headers=BROWSER)

        assert "<script>" not in answer.text

    @pytest.mark.parametrize("path", ["/setup", "/setup?code=", "/setup?code=%00", "/setup?code=%ff"])
    def test_opens_without_a_good_code(self, api: Api, path: str) -> None:
        assert api.get(path, headers=BROWSER).status_code == 200


class TestSetUp:
    def test_makes_the_first_administrator(self, api: Api) -> None:
        answer = set_up(api, a_code())

        assert answer.status_code == 200
        assert answer.mimetype == "text/html"
        assert "ada is the administrator" in answer.text
        signed_in = api.post("/auth/login", {"username": "ada", "password": PASSWORD}).result
        assert signed_in["user"]["roles"] == ["admin", "user"]

    def test_works_once(self, api: Api) -> None:
        code = a_code()
        set_up(api, code)

        answer = set_up(api, code, username="eve", email="eve@engines.test")

        assert answer.status_code == 422
        assert users_named("eve") == 0

    def test_works_once_though_its_administrator_is_gone(self, api: Api) -> None:
        code = a_code()
        set_up(api, code)
        with db.unit_of_work():
            db.session().execute(update(User).values(is_active=False))

        answer = set_up(api, code, username="eve", email="eve@engines.test")

        assert answer.status_code == 422
        assert users_named("eve") == 0

    def test_of_ten_at_once_lets_one_through(self, api: Api) -> None:
        code = a_code()
        names = [f"ada{number}" for number in range(10)]

        answers = at_once(10, lambda number: set_up(api, code, username=names[number], email=f"{names[number]}@b.test"))

        assert sorted(answer.status_code for answer in answers) == [200] + [422] * 9
        assert users_named(*names) == 1

    def test_works_for_a_day(self, api: Api, clock: Clock) -> None:
        code = a_code()
        clock.advance(hours=23, minutes=59)

        assert set_up(api, code).status_code == 200

    def test_does_not_work_after_a_day(self, api: Api, clock: Clock) -> None:
        code = a_code()
        clock.advance(hours=24)

        assert set_up(api, code).status_code == 422
        assert users_named("ada") == 0

    @pytest.mark.parametrize("code", ["", "x", "0" * 43, "\u00e9", "' OR 1=1 --"])
    def test_does_not_work_with_another_code(self, api: Api, code: str) -> None:
        a_code()

        assert set_up(api, code).status_code == 422
        assert users_named("ada") == 0

    def test_does_not_work_once_there_is_an_administrator(self, api: Api) -> None:
        code = a_code()
        an_admin()

        assert set_up(api, code).status_code == 422
        assert users_named("ada") == 0

    def test_works_while_there_are_only_users(self, api: Api) -> None:
        a_user()

        assert set_up(api, a_code()).status_code == 200

    def test_does_not_work_with_a_code_that_a_later_one_replaced(self, api: Api) -> None:
        earlier, later = a_code(), a_code()

        assert set_up(api, earlier).status_code == 422
        assert set_up(api, later).status_code == 200

    def test_is_audited(self, api: Api) -> None:
        code = a_code()

        set_up(api, code)

        event = audited("authz_admin")[0]
        assert event.target is not None
        assert (event.outcome, event.target.type) == ("success", "user")
        assert code not in the_trail()
        assert PASSWORD not in the_trail()


class TestMistakes:
    @pytest.mark.parametrize(
        ("changed", "status", "says"),
        [
            ({"password": "weak"}, 422, "Use at least 8 characters."),
            ({"password": "Password123!"}, 422, "list of leaked passwords"),
            ({"password": ""}, 422, "password"),
            ({"username": "a b"}, 422, "username"),
            ({"email": "nowhere"}, 422, "email"),
            ({"email": "taken@people.test"}, 409, "e-mail address"),
            ({"username": "taken"}, 409, "user name"),
            ({"username": "a\0b"}, 422, "username"),
            ({"username": "a" * 301}, 400, "too long"),
        ],
        ids=lambda value: repr(value)[:30] if isinstance(value, dict) else "",
    )
    def test_are_explained_on_a_page_and_leave_the_code_good(
        self, api: Api, changed: dict[str, str], status: int, says: str
    ) -> None:
        a_user(username="taken", email="taken@people.test")
        code = a_code()

        answer = set_up(api, code, **changed)

        assert (answer.status_code, answer.mimetype) == (status, "text/html")
        assert says in answer.text
        assert set_up(api, code).status_code == 200

    def test_with_the_code_are_explained(self, api: Api) -> None:
        answer = set_up(api, "wrong")

        assert "This code is not valid or no longer valid." in answer.text

    def test_are_json_for_a_program(self, api: Api) -> None:
        api.headers["Accept"] = "application/json"

        answer = set_up(api, "wrong")

        assert (answer.status_code, answer.code) == (422, "INVALID_CODE")

    def test_are_refused_when_they_are_large(self, api: Api) -> None:
        assert set_up(api, a_code(), username="a" * 20_000).status_code == 413

    def test_of_another_type_are_no_form(self, api: Api) -> None:
        answer = api.post("/setup", {"code": a_code()}, headers=BROWSER)

        assert answer.status_code == 422

    def test_echo_nothing(self, api: Api) -> None:
        answer = set_up(api, a_code(), password="hunter2", username="<script>alert(1)</script>")

        assert "hunter2" not in answer.text
        assert "<script>alert" not in answer.text


@pytest.mark.usefixtures("world")
class TestCode:
    def test_is_not_made_once_there_is_an_administrator(self) -> None:
        an_admin()

        with db.unit_of_work():
            assert auth.make_setup_code() is None

    def test_is_long_and_only_its_hash_is_kept(self) -> None:
        code = a_code()

        with db.unit_of_work(writes=False):
            stored = db.session().scalars(select(OneTimeCode)).all()
        assert len(code) >= 43
        assert len(stored) == 1
        assert code not in repr(vars(stored[0]))
