import pytest
from flask import Flask

from tests.api import Api, Person, a_user
from tests.conftest import Clock
from tests.features.auth.together import at_once
from tests.features.oidc.browser import Browser, code_in
from tests.features.oidc.rows import events, identities, step_up
from tests.features.oidc.stranger import Stranger
from tests.mails import letters

PATH = "/auth/oidc/identities"


@pytest.fixture
def person(app: Flask) -> Person:
    """Somebody who signed in with a password and proved it once more."""
    person = a_user()
    Api(app).sign_in(person)
    step_up(person)
    return person


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.access_token}"}


def link(browser: Browser, person: Person, provider: str = "stranger") -> str:
    """Begin to link and go to the provider; return the path that it sends the browser back to."""
    answer = browser.open(f"/auth/oidc/{provider}/link", method="POST", headers=bearer(person), json={"next": "/me"})
    assert answer.status_code == 200, answer.text
    return browser.consent(answer.result["url"])


class TestLink:
    def test_lets_one_sign_in_whatever_the_addresses_are(self, browser: Browser, person: Person) -> None:
        answer = browser.come_back(link(browser, person))

        assert (answer.status_code, answer.headers["Location"]) == (303, "/me")
        assert browser.tokens("stranger")["user"]["id"] == person.id
        [letter] = letters("identity_linked")
        assert letter.to == person.email
        assert [event.actor_id for event in events("oidc_linked")] == [str(person.id)]

    def test_is_a_matter_of_a_moment_ago(self, app: Flask) -> None:
        person = a_user()

        answer = Api(app).as_(person).post("/auth/oidc/stranger/link", {})

        assert (answer.status_code, answer.code) == (403, "REAUTHENTICATION_REQUIRED")

    def test_works_only_in_the_browser_that_asked(self, browser: Browser, app: Flask, person: Person) -> None:
        """Somebody else is led to the address: their account elsewhere must not become a way into the account here."""
        url = Browser(app).open("/auth/oidc/stranger/link", method="POST", headers=bearer(person)).result["url"]
        browser.start("stranger")

        assert browser.come_back(browser.consent(url)).code == "OIDC_FLOW_INVALID"
        assert identities() == []

    def test_ends_with_the_session_that_asked(self, browser: Browser, person: Person, app: Flask) -> None:
        back = link(browser, person)
        Api(app).as_(person).post("/auth/logout")

        assert browser.come_back(back).code == "OIDC_FLOW_INVALID"
        assert identities() == []

    def test_of_the_same_twice_changes_nothing(self, browser: Browser, person: Person) -> None:
        browser.come_back(link(browser, person))

        assert browser.come_back(link(browser, person)).status_code == 303
        assert len(identities()) == 1
        assert len(letters("identity_linked")) == 1

    def test_does_not_take_another_s(self, browser: Browser, person: Person) -> None:
        browser.tokens("stranger")

        answer = browser.come_back(link(browser, person))

        assert (answer.status_code, answer.code) == (409, "IDENTITY_TAKEN")

    def test_gives_no_code(self, browser: Browser, person: Person) -> None:
        assert "code=" not in browser.come_back(link(browser, person)).headers["Location"]

    def test_knows_no_other_provider(self, app: Flask, person: Person) -> None:
        assert Api(app).as_(person).post("/auth/oidc/nobody/link").status_code == 404


class TestIdentities:
    def test_are_each_one_s_own(self, browser: Browser, app: Flask, person: Person, stranger: Stranger) -> None:
        browser.come_back(link(browser, person))

        [shown] = Api(app).as_(person).get(PATH).result

        assert (shown["provider"], shown["email"]) == ("stranger", "ada@people.test")
        assert shown.keys() == {"id", "provider", "email", "created_at", "last_used_at"}
        assert Api(app).as_(a_user()).get(PATH).result == []

    def test_show_when_they_were_used(self, browser: Browser, app: Flask, person: Person, clock: Clock) -> None:
        browser.come_back(link(browser, person))
        clock.advance(seconds=30)
        browser.tokens("stranger")

        [shown] = Api(app).as_(person).get(PATH).result

        assert shown["created_at"] < shown["last_used_at"]

    def test_can_be_unlinked(self, browser: Browser, app: Flask, person: Person) -> None:
        browser.come_back(link(browser, person))
        api = Api(app).as_(person)

        assert api.delete(f"{PATH}/{identities()[0].id}").status_code == 204

        assert api.get(PATH).result == []
        assert len(events("oidc_unlinked")) == 1

    def test_of_others_are_not_found(self, browser: Browser, app: Flask, person: Person) -> None:
        browser.tokens("stranger")

        answer = Api(app).as_(person).delete(f"{PATH}/{identities()[0].id}")

        assert answer.status_code == 404
        assert len(identities()) == 1

    def test_stay_where_one_is_the_only_way_in(self, browser: Browser, app: Flask) -> None:
        tokens = browser.tokens("stranger")
        newcomer = Person(tokens["user"]["id"], "", "", access_token=tokens["access_token"])
        step_up(newcomer)

        answer = Api(app).as_(newcomer).delete(f"{PATH}/{identities()[0].id}")

        assert (answer.status_code, answer.code) == (409, "LAST_WAY_IN")
        assert len(identities()) == 1

    def test_of_which_two_are_unlinked_at_once_one_stays(self, browser: Browser, app: Flask) -> None:
        tokens = browser.tokens("stranger")
        newcomer = Person(tokens["user"]["id"], "", "", access_token=tokens["access_token"])
        step_up(newcomer)
        browser.come_back(link(browser, newcomer, "another"))
        ids = [identity.id for identity in identities()]

        statuses = at_once(2, lambda number: Api(app).as_(newcomer).delete(f"{PATH}/{ids[number]}").status_code)

        assert sorted(statuses) == [204, 409]
        assert len(identities()) == 1

    def test_once_unlinked_sign_nobody_in(self, browser: Browser, app: Flask, person: Person) -> None:
        browser.come_back(link(browser, person))
        Api(app).as_(person).delete(f"{PATH}/{identities()[0].id}")

        tokens = browser.exchange(code_in(browser.sign_in("stranger"))).result

        assert tokens["user"]["id"] != person.id
