"""Whom an account elsewhere stands for here."""

import secrets
from typing import Any

import pytest

from app.core.identifiers import username_key
from tests.api import Api, a_user
from tests.features.auth.together import at_once
from tests.features.oidc.browser import Browser, code_in
from tests.features.oidc.rows import change, events, identities, number_of_users, remove
from tests.features.oidc.stranger import Stranger
from tests.mails import letters


class TestNewcomer:
    def test_gets_an_account_without_a_password(self, browser: Browser, stranger: Stranger) -> None:
        stranger.person |= {"preferred_username": "ada.l", "given_name": "Ada", "family_name": "Lovelace\n"}

        user = browser.tokens("stranger")["user"]

        assert user["username"] == "ada.l"
        assert (user["first_name"], user["last_name"]) == ("Ada", "Lovelace")
        assert (user["email"], user["email_verified"], user["roles"]) == ("ada@people.test", True, ["user"])
        login = Api(browser.app).post("/auth/login", {"username": "ada.l", "password": ""})
        assert login.status_code == 422
        assert [event.detail for event in events("oidc_linked")] == [{"provider": "stranger"}]
        assert letters("identity_linked") == []

    def test_is_known_by_issuer_and_subject_also_at_a_new_address(self, browser: Browser, stranger: Stranger) -> None:
        first = browser.tokens("stranger")
        stranger.person["email"] = "ada@elsewhere.test"

        second = browser.tokens("stranger")

        assert second["user"] == first["user"]
        assert len(identities()) == 1

    def test_with_the_same_subject_of_another_issuer_is_somebody_else(
        self, browser: Browser, another: Stranger
    ) -> None:
        first = browser.tokens("stranger")
        another.person["email"] = "other@people.test"

        assert browser.tokens("another")["user"]["id"] != first["user"]["id"]

    def test_with_a_new_subject_is_not_known_by_a_recycled_address(self, browser: Browser, stranger: Stranger) -> None:
        stranger.person["email_verified"] = False
        browser.tokens("stranger")
        stranger.person["sub"] = "ada-2"

        assert browser.sign_in("stranger").code == "ACCOUNT_EXISTS"

    @pytest.mark.parametrize("vouched", [False, None, 1, "yes", "True", [True]])
    def test_has_an_unproven_address_unless_the_provider_vouches(
        self, browser: Browser, stranger: Stranger, vouched: Any
    ) -> None:
        stranger.person["email_verified"] = vouched

        assert browser.tokens("stranger")["user"]["email_verified"] is False

    @pytest.mark.parametrize("email", [None, "", "nobody", "a@", 7, ["a@b.test"], "a@b.test\n", "a\u0000@b.test"])
    def test_without_an_address_gets_none(self, browser: Browser, stranger: Stranger, email: Any) -> None:
        stranger.person["email"] = email
        before = number_of_users()

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (409, "PROVIDER_EMAIL_MISSING")
        assert number_of_users() == before

    def test_whose_address_stands_apart_is_asked_for_it(self, browser: Browser, stranger: Stranger) -> None:
        stranger.without = ("email", "email_verified")

        assert browser.tokens("stranger")["user"]["email_verified"] is True
        assert "/userinfo" in stranger.seen

    def test_is_not_vouched_for_by_one_answer_with_the_address_of_another(
        self, browser: Browser, stranger: Stranger
    ) -> None:
        stranger.without = ("email",)
        stranger.userinfo = {"sub": "ada-1", "email": "victim@people.test"}

        assert browser.tokens("stranger")["user"]["email_verified"] is False

    def test_is_who_the_id_token_says(self, browser: Browser, stranger: Stranger) -> None:
        stranger.without = ("email", "email_verified")
        stranger.userinfo = {"sub": "somebody-else", "email": "victim@people.test", "email_verified": True}

        assert browser.sign_in("stranger").code == "PROVIDER_ANSWER_INVALID"

    def test_who_comes_twice_at_once_gets_one_account(self, browser: Browser, stranger: Stranger) -> None:
        before = number_of_users()
        backs = [browser.consent(browser.start("stranger")) for _ in range(6)]
        copies = [browser.copy() for _ in backs]

        answers = at_once(6, lambda number: copies[number].come_back(backs[number]))

        assert [answer.status_code for answer in answers] == [303] * 6
        assert number_of_users() == before + 1
        assert len(identities()) == 1
        assert {copies[0].exchange(code_in(answer)).status_code for answer in answers} == {200}


class TestUserName:
    def made_from(self, browser: Browser, stranger: Stranger, name: Any, email: str = "ada@people.test") -> str:
        stranger.person |= {"preferred_username": name, "email": email}
        return str(browser.tokens("stranger")["user"]["username"])

    @pytest.mark.parametrize(
        ("name", "made"),
        [
            ("ada", "ada"),
            ("ada@corp.test", "ada"),
            ("Ada Lovelace", "Ada-Lovelace"),
            ("Zo\u00eb", "Zoe"),
            ("..ada..", "ada"),
            (None, "ada"),
            (7, "ada"),
            ("a" * 40, "a" * 26),
        ],
    )
    def test_is_what_somebody_is_called_elsewhere(
        self, browser: Browser, stranger: Stranger, name: Any, made: str
    ) -> None:
        assert self.made_from(browser, stranger, name) == made

    @pytest.mark.parametrize("name", ["admin", "Root", "ab", "\u65e5\u672c", "<>", "-", "\u0430dmin"])
    def test_is_made_up_where_that_cannot_be(self, browser: Browser, stranger: Stranger, name: str) -> None:
        made = self.made_from(browser, stranger, name)

        assert username_key(made) == made.casefold()
        assert made.startswith(("user-", "dmin"))

    def test_gets_a_number_where_it_is_taken(self, browser: Browser, stranger: Stranger) -> None:
        a_user(username="ada", email="another@people.test")

        made = self.made_from(browser, stranger, "Ada")

        assert made.startswith("Ada-")
        assert made.removeprefix("Ada-").isdigit()

    def test_is_given_up_after_many_tries(
        self, browser: Browser, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(secrets, "randbelow", lambda _: 1)
        for username in ("ada", "ada-00001"):
            a_user(username=username, email=f"{username}@taken.test")
        stranger.person["preferred_username"] = "ada"

        assert browser.sign_in("stranger").code == "USERNAME_TAKEN"


class TestSomebodyHere:
    def test_is_linked_by_an_address_that_both_sides_proved(self, browser: Browser) -> None:
        person = a_user(email="Ada@people.test", email_verified=True)

        tokens = browser.tokens("stranger")

        assert tokens["user"]["id"] == person.id
        [letter] = letters("identity_linked")
        assert (letter.to, letter.context["provider"]) == ("Ada@people.test", "The Stranger")
        assert [(event.actor_id, event.detail) for event in events("oidc_linked")] == [
            (str(person.id), {"provider": "stranger"})
        ]

    @pytest.mark.parametrize(("here", "there"), [(True, False), (False, True), (False, False)])
    def test_is_not_linked_by_one_that_either_did_not(
        self, browser: Browser, stranger: Stranger, *, here: bool, there: bool
    ) -> None:
        a_user(email="ada@people.test", email_verified=here)
        stranger.person["email_verified"] = there

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (409, "ACCOUNT_EXISTS")
        assert identities() == []

    def test_is_not_linked_by_the_same_name_in_a_domain_that_only_looks_alike(
        self, browser: Browser, stranger: Stranger
    ) -> None:
        person = a_user(email="ada@fass.test", email_verified=True)
        stranger.person["email"] = "ada@fa\u00df.test"

        assert browser.tokens("stranger")["user"]["id"] != person.id

    @pytest.mark.parametrize("linked", [0, 1])
    def test_who_is_disabled_stays_out(self, browser: Browser, linked: int) -> None:
        person = a_user(email="ada@people.test", email_verified=True)
        for _ in range(linked):
            browser.tokens("stranger")
        change(person, is_active=False)

        answer = browser.sign_in("stranger")

        assert (answer.status_code, answer.code) == (403, "ACCOUNT_DISABLED")
        assert len(identities()) == linked

    def test_who_was_deleted_stays_out(self, browser: Browser) -> None:
        person = a_user(email="ada@people.test", email_verified=True)
        browser.tokens("stranger")
        remove(person)

        assert browser.sign_in("stranger").code == "ACCOUNT_DISABLED"


class TestPlainOAuth:
    def test_knows_people_by_their_number(self, browser: Browser, stranger: Stranger) -> None:
        stranger.userinfo = {"id": 583231, "login": "octocat", "email": None}
        stranger.emails = [
            {"email": "old@people.test", "primary": False, "verified": True},
            {"email": "octo@people.test", "primary": True, "verified": True},
        ]

        user = browser.tokens("hub")["user"]

        assert (user["username"], user["email"], user["email_verified"]) == ("octocat", "octo@people.test", True)
        [identity] = identities()
        assert (identity.issuer, identity.subject) == (f"{stranger.url}/userinfo", "583231")

    @pytest.mark.parametrize(
        ("emails", "code"),
        [
            ([], "PROVIDER_EMAIL_MISSING"),
            ([{"email": "a@people.test", "primary": False, "verified": True}], "PROVIDER_EMAIL_MISSING"),
            (["a@people.test"], "PROVIDER_EMAIL_MISSING"),
            ([{"email": "taken@people.test", "primary": True, "verified": False}], "ACCOUNT_EXISTS"),
        ],
    )
    def test_believes_only_a_primary_address(
        self, browser: Browser, stranger: Stranger, emails: list[Any], code: str
    ) -> None:
        a_user(email="taken@people.test", email_verified=True)
        stranger.userinfo = {"id": 1, "login": "octocat", "email": "public@people.test", "email_verified": True}
        stranger.emails = emails

        assert browser.sign_in("hub").code == code

    def test_takes_the_address_of_the_user_info_where_there_is_no_list(
        self, browser: Browser, stranger: Stranger
    ) -> None:
        stranger.userinfo = {"sub": "x", "id": 7, "email": "plain@people.test"}

        assert browser.tokens("plain")["user"]["email_verified"] is False
        assert identities()[0].subject == "x"

    @pytest.mark.parametrize("told", [{}, {"id": None}, {"id": True}, {"id": 1.5}, {"id": [1]}, {"sub": None, "id": 1}])
    def test_needs_a_subject(self, browser: Browser, stranger: Stranger, told: dict[str, Any]) -> None:
        stranger.userinfo = {"email": "a@people.test", **told}

        assert browser.sign_in("plain").code == "PROVIDER_ANSWER_INVALID"

    def test_uses_pkce_and_no_nonce(self, browser: Browser) -> None:
        url = browser.start("hub")

        assert "code_challenge_method=S256" in url
        assert "nonce" not in url
        assert "scope=user&" in url
