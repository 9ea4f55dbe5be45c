"""flask seed."""

from click.testing import Result

from tests.api import Api, an_admin
from tests.world import World

USERS = "/api/v1/users"


def seed(world: World, *arguments: str) -> Result:
    return world.app.test_cli_runner().invoke(args=["seed", *arguments])


class TestSeed:
    def test_inserts_users_that_the_list_shows(self, world: World, api: Api) -> None:
        admin = api.as_(an_admin())

        result = seed(world, "--users", "500")

        assert result.exit_code == 0, result.output
        assert "500 users inserted." in result.output
        answer = admin.get(f"{USERS}?count=exact&sort=-id")
        assert answer.json["pagination"]["total_items"] == 501
        assert all(user["roles"] == ["user"] and user["is_active"] for user in answer.result)
        assert all(user["email"] == f"{user['username']}@seed.example" for user in answer.result)

    def test_works_twice(self, world: World, api: Api) -> None:
        codes = [seed(world, "--users", "30").exit_code for _ in range(2)]

        answer = api.as_(an_admin()).get(f"{USERS}?per_page=100")
        assert codes == [0, 0]
        assert len({user["username"] for user in answer.result}) == 61

    def test_makes_users_as_any_other(self, world: World, api: Api) -> None:
        admin = api.as_(an_admin())
        seed(world, "--users", "1")
        made = admin.get(f"{USERS}?q=seed.example").result[0]

        found = admin.get(f"{USERS}?q={made['last_name']}").result
        replaced = admin.put(f"{USERS}/{made['id']}", {name: made[name] for name in ("username", "email")})
        taken = admin.post(USERS, {"username": made["username"].upper(), "email": "other@people.test"})

        assert [user["id"] for user in found] == [made["id"]]
        assert replaced.status_code == 200
        assert (taken.status_code, taken.code) == (409, "USERNAME_TAKEN")

    def test_makes_a_hundred_unless_told_otherwise(self, world: World, api: Api) -> None:
        seed(world)

        answer = api.as_(an_admin()).get(f"{USERS}?count=exact")
        assert answer.json["pagination"]["total_items"] == 101

    def test_refuses_a_negative_number(self, world: World) -> None:
        assert seed(world, "--users", "-1").exit_code == 2
