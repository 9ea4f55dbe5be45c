import pytest

from tests.api import Answer, Api, a_role, a_user, an_admin
from tests.conftest import Clock
from tests.features.auth.looks import audited
from tests.features.auth.together import at_once


class TestRead:
    def test_shows_the_account_and_what_it_may(self, api: Api, clock: Clock) -> None:
        grace = a_user(username="grace", email="Grace@navy.test", first_name="Grace", last_name="Hopper")

        answer = api.as_(grace).get("/auth/me")

        assert answer.status_code == 200
        now = f"{clock.at:%Y-%m-%dT%H:%M:%S}.000Z"
        assert answer.result == {
            "id": grace.id,
            "username": "grace",
            "email": "Grace@navy.test",
            "email_verified": False,
            "first_name": "Grace",
            "last_name": "Hopper",
            "locale": None,
            "is_active": True,
            "roles": ["user"],
            "created_at": now,
            "updated_at": now,
            "permissions": [],
            "mfa_enabled": False,
            "mfa_required": False,
            "auth_time": now,
        }

    def test_says_when_the_session_began(self, api: Api, clock: Clock) -> None:
        grace = a_user()
        hers, began = api.as_(grace), clock.at
        clock.advance(minutes=5)

        answer = hers.get("/auth/me")

        assert answer.result["auth_time"] == f"{began:%Y-%m-%dT%H:%M:%S}.000Z"

    def test_joins_the_permissions_of_all_roles(self, api: Api) -> None:
        grace = a_user(roles=(a_role("users:read", "audit:read"), a_role("users:read"), "user"))

        answer = api.as_(grace).get("/auth/me")

        assert answer.result["permissions"] == ["audit:read", "users:read"]
        assert len(answer.result["roles"]) == 3

    def test_shows_somebody_without_any_role(self, api: Api) -> None:
        grace = a_user(roles=())

        answer = api.as_(grace).get("/auth/me")

        assert (answer.result["roles"], answer.result["permissions"]) == ([], [])

    def test_is_never_cached_and_has_a_version(self, api: Api) -> None:
        answer = api.as_(a_user()).get("/auth/me")

        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["ETag"].startswith('"')

    def test_works_with_bearer_in_any_case(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)

        answer = api.get("/auth/me", headers={"Authorization": f"bEaReR {grace.access_token}"})

        assert answer.status_code == 200

    def test_knows_no_cookie(self, api: Api) -> None:
        grace = a_user()
        api.sign_in(grace)

        answer = api.get("/auth/me", headers={"Cookie": f"session={grace.access_token}"})

        assert answer.status_code == 401


class TestChange:
    def test_changes_what_is_sent_and_nothing_else(self, api: Api) -> None:
        hers = api.as_(a_user(first_name="Grace", last_name="Hopper"))
        before = hers.get("/auth/me").result

        answer = hers.patch("/auth/me", {"first_name": "Amazing", "locale": "en-GB"})

        assert answer.status_code == 200
        changed = {"first_name": "Amazing", "locale": "en-GB", "updated_at": answer.result["updated_at"]}
        assert answer.result == {**before, **changed}
        assert hers.get("/auth/me").result == answer.result

    def test_gives_a_new_version(self, api: Api) -> None:
        hers = api.as_(a_user())
        before = hers.get("/auth/me").headers["ETag"]

        answer = hers.patch("/auth/me", {"last_name": "Hopper"})

        assert answer.headers["ETag"] != before
        assert answer.headers["ETag"] == hers.get("/auth/me").headers["ETag"]

    def test_of_nothing_is_no_change(self, api: Api) -> None:
        hers = api.as_(a_user())
        before = hers.get("/auth/me")

        answer = hers.patch("/auth/me", {})

        assert answer.result == before.result
        assert answer.headers["ETag"] == before.headers["ETag"]
        assert audited("user_updated") == []

    @pytest.mark.parametrize("locale", ["en", "de-AT", "zh-Hant-TW", "sr-Latn-RS", None])
    def test_sets_and_clears_the_locale(self, api: Api, locale: str | None) -> None:
        hers = api.as_(a_user(first_name="Grace"))
        hers.patch("/auth/me", {"locale": "fr"})

        answer = hers.patch("/auth/me", {"locale": locale})

        assert answer.result["locale"] == locale
        assert answer.result["first_name"] == "Grace"

    def test_clears_a_name(self, api: Api) -> None:
        hers = api.as_(a_user(first_name="Grace"))

        assert hers.patch("/auth/me", {"first_name": ""}).result["first_name"] == ""

    def test_stores_names_in_nfc(self, api: Api) -> None:
        answer = api.as_(a_user()).patch("/auth/me", {"first_name": "Rene\u0301"})

        assert answer.result["first_name"] == "Ren\u00e9"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("role", "admin"),
            ("roles", ["admin"]),
            ("permissions", ["users:write"]),
            ("email", "other@navy.test"),
            ("username", "other"),
            ("password", "Another-Horse-8-Staple"),
            ("is_active", False),
            ("email_verified", True),
            ("id", 1),
            ("version", 1),
            ("mfa_enabled", True),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refuses_what_is_not_ones_own_to_change(self, api: Api, field: str, value: object) -> None:
        hers = api.as_(a_user())
        before = hers.get("/auth/me").result

        answer = hers.patch("/auth/me", {"first_name": "Grace", field: value})

        assert (answer.status_code, list(answer.details)) == (422, [field])
        assert hers.get("/auth/me").result == before

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("first_name", None),
            ("last_name", None),
            ("first_name", "a\nb"),
            ("first_name", "\x1b[2J"),
            ("last_name", "a\x7f"),
            ("last_name", "a\u0085b"),
            ("last_name", "x" * 101),
            ("first_name", 1),
            ("locale", ""),
            ("locale", "english"),
            ("locale", "en_GB"),
            ("locale", "en-GB\n"),
            ("locale", "../../etc"),
            ("locale", 1),
        ],
        ids=repr,
    )
    def test_refuses_what_is_no_name_or_locale(self, api: Api, field: str, value: object) -> None:
        answer = api.as_(a_user()).patch("/auth/me", {field: value})

        assert (answer.status_code, list(answer.details)) == (422, [field])

    def test_works_for_administrators_too(self, api: Api) -> None:
        answer = api.as_(an_admin()).patch("/auth/me", {"first_name": "Ada"})

        assert answer.result["roles"] == ["admin", "user"]
        assert "users:write" in answer.result["permissions"]

    def test_is_audited_by_the_names_of_fields(self, api: Api) -> None:
        grace = a_user()

        api.as_(grace).patch("/auth/me", {"last_name": "Hopper", "first_name": "Grace"})

        event = audited("user_updated")[0]
        assert event.actor is not None
        assert event.target is not None
        assert event.actor.id == event.target.id == str(grace.id)
        assert event.detail == {"fields": ["first_name", "last_name"]}


class TestVersions:
    def change(self, api: Api, name: str, if_match: str) -> Answer:
        return api.patch("/auth/me", {"first_name": name}, headers={"If-Match": if_match})

    def test_changes_the_version_that_was_read(self, api: Api) -> None:
        hers = api.as_(a_user())

        answer = self.change(hers, "Grace", hers.get("/auth/me").headers["ETag"])

        assert answer.status_code == 200

    def test_refuses_to_change_another_version(self, api: Api) -> None:
        hers = api.as_(a_user())
        read = hers.get("/auth/me").headers["ETag"]
        self.change(hers, "Grace", read)

        answer = self.change(hers, "Amazing", read)

        assert (answer.status_code, answer.code) == (412, "PRECONDITION_FAILED")
        assert hers.get("/auth/me").result["first_name"] == "Grace"

    @pytest.mark.parametrize(("if_match", "status"), [("*", 200), ('"never"', 412), ("", 412), ("x", 412)])
    def test_understands_if_match(self, api: Api, if_match: str, status: int) -> None:
        assert self.change(api.as_(a_user()), "Grace", if_match).status_code == status

    def test_of_two_parallel_changes_lets_one_win(self, api: Api) -> None:
        hers = api.as_(a_user())
        read = hers.get("/auth/me").headers["ETag"]

        answers = at_once(2, lambda number: self.change(hers, f"Grace{number}", read))

        assert sorted(answer.status_code for answer in answers) == [200, 412]
        winner = next(answer for answer in answers if answer.status_code == 200)
        assert hers.get("/auth/me").result == winner.result
