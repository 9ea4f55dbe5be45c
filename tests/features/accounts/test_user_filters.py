"""What narrows GET /api/v1/users."""

from urllib.parse import quote

import pytest

from tests.api import Api, a_holder_of, a_role, a_user, an_admin

USERS = "/api/v1/users"
EVERY_PERMISSION_BUT_DELETING = ("users:read", "users:write", "roles:read", "roles:write", "audit:read")


def names(api: Api, query: str) -> list[str]:
    return [user["username"] for user in api.get(f"{USERS}?{query}").result]


class TestSearch:
    def test_finds_a_part_of_any_name_in_any_case(self, api: Api) -> None:
        admin = api.as_(an_admin())
        a_user(username="grace", email="Hopper@Navy.test", first_name="Grace Brewster", last_name="Murray")
        a_user(username="alan", email="alan@bletchley.test", first_name="Alan", last_name="Turing")
        parts = ("ace", "GRACE", "hopper@na", "Brew", "URRAY", "vy.test grac")

        found = {part: names(admin, f"q={quote(part)}") for part in parts}

        assert found == {part: ["grace"] for part in parts}

    def test_folds_every_script(self, api: Api) -> None:
        admin = api.as_(an_admin())
        a_user(username="emile", first_name="Émile Ωμέγα", last_name="Straße 山田")
        a_user(username="emily", first_name="Emily")
        parts = ("émile", "ÉMILE", "E\u0301mile", "straße", "STRASSE", "Ωμέγα", "ωΜΈΓΑ", "山田")

        found = {part: names(admin, f"q={quote(part)}") for part in parts}

        assert found == {part: ["emile"] for part in parts}

    def test_takes_wildcards_literally(self, api: Api) -> None:
        admin = api.as_(an_admin())
        bearers = {sign: a_user(first_name=f"a{sign}b").username for sign in "%_\\/[*?'\""}
        a_user(first_name="axb ab axxb")

        found = {
            sign: [*(names(admin, f"q={quote(part, safe='')}") for part in (sign, f"a{sign}b", f"{sign}{sign}"))]
            for sign in bearers
        }

        assert found == {sign: [[username], [username], []] for sign, username in bearers.items()}

    def test_finds_a_new_name_and_no_longer_the_old_one(self, api: Api) -> None:
        admin = api.as_(an_admin())
        bob = a_user(username="bob", first_name="Robert")
        admin.patch(f"{USERS}/{bob.id}", {"first_name": "Roberta"})
        admin.patch(f"{USERS}/{bob.id}", {"username": "rob.x"})

        assert names(admin, "q=roberta") == ["rob.x"]
        assert names(admin, "q=bob%20") == []

    @pytest.mark.parametrize("q", ["", "x" * 101, "a%00b"], ids=["empty", "long", "NUL"])
    def test_refuses_what_cannot_be_found(self, api: Api, q: str) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?q={q}")

        assert answer.status_code == 422
        assert list(answer.details) == ["q"]


class TestRole:
    def test_keeps_its_holders(self, api: Api) -> None:
        admin = api.as_(an_admin(username="root.one"))
        role = a_role("users:read")
        a_user(username="holder", roles=(role, "user"))
        a_user(username="other")

        assert names(admin, f"role={role}") == ["holder"]
        assert names(admin, "role=admin") == ["root.one"]
        assert names(admin, "role=user") == ["root.one", "holder", "other"]

    def test_that_nobody_holds_or_that_is_not_there_finds_nobody(self, api: Api) -> None:
        admin = api.as_(an_admin())

        assert names(admin, f"role={a_role()}") == []
        assert names(admin, "role=no-such-role") == []


class TestActive:
    def test_keeps_the_active_or_the_others(self, api: Api) -> None:
        admin = api.as_(an_admin(username="active"))
        a_user(username="idle", is_active=False)

        assert names(admin, "active=true") == ["active"]
        assert names(admin, "active=false") == ["idle"]
        assert names(admin, "") == ["active", "idle"]

    def test_is_a_truth_value(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?active=maybe")

        assert answer.status_code == 422
        assert list(answer.details) == ["active"]


class TestDeleted:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", ["living"]),
            ("deleted=false", ["living"]),
            ("deleted=true", ["deleted"]),
            ("deleted=all", ["living", "deleted"]),
        ],
    )
    def test_chooses_the_living_the_deleted_or_all(self, api: Api, query: str, expected: list[str]) -> None:
        admin = api.as_(an_admin(username="living"))
        admin.delete(f"{USERS}/{a_user(username='deleted').id}")

        answer = admin.get(f"{USERS}?{query}")

        assert [user["username"] for user in answer.result] == expected
        assert answer.json["pagination"]["total_items"] == len(expected)

    @pytest.mark.parametrize("deleted", ["true", "all"])
    def test_needs_the_permission_to_delete(self, api: Api, deleted: str) -> None:
        answer = api.as_(a_holder_of(*EVERY_PERMISSION_BUT_DELETING)).get(f"{USERS}?deleted={deleted}")

        assert answer.status_code == 403
        assert answer.code == "FORBIDDEN"

    def test_needs_no_more_than_that(self, api: Api) -> None:
        reader = api.as_(a_holder_of("users:read", "users:delete"))

        assert reader.get(f"{USERS}?deleted=all").status_code == 200

    def test_is_one_of_three(self, api: Api) -> None:
        answer = api.as_(an_admin()).get(f"{USERS}?deleted=yes")

        assert answer.status_code == 422
        assert list(answer.details) == ["deleted"]

    def test_says_when_to_those_who_may_know(self, api: Api) -> None:
        admin, reader = api.as_(an_admin()), api.as_(a_holder_of("users:read"))

        shown, hidden = (client.get(USERS).result for client in (admin, reader))

        assert all(user["deleted_at"] is None for user in shown)
        assert all("deleted_at" not in user for user in hidden)


class TestTogether:
    def test_narrow_each_other(self, api: Api) -> None:
        admin = api.as_(an_admin(username="anna.admin"))
        a_user(username="anna.idle", is_active=False)
        a_user(username="anna.here")
        a_user(username="bert.here")
        admin.delete(f"{USERS}/{a_user(username='anna.gone').id}")

        answer = admin.get(f"{USERS}?q=anna&active=true&role=user&deleted=false&sort=-username")

        assert [user["username"] for user in answer.result] == ["anna.here", "anna.admin"]
        assert answer.json["pagination"]["total_items"] == 2
