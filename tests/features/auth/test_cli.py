import click.testing
import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from tests.api import Api, a_user
from tests.features.auth.forge import our_key
from tests.features.auth.looks import audited, signing_keys, users_named
from tests.world import World

PASSWORD = "Correct-Horse-7-Battery"
NAMES = ["--username", "ada", "--email", "ada@engines.test"]


@pytest.fixture
def runner(world: World) -> FlaskCliRunner:
    return world.app.test_cli_runner()


def can_sign_in(app: Flask, password: str) -> bool:
    answer = Api(app).post("/auth/login", {"username": "ada", "password": password})
    return answer.status_code == 200


class TestCreateAdmin:
    def test_makes_an_administrator(self, runner: FlaskCliRunner, api: Api) -> None:
        result = runner.invoke(args=["create-admin", *NAMES, "--password", PASSWORD])

        assert (result.exit_code, result.output) == (0, "Administrator ada created.\n")
        signed_in = api.post("/auth/login", {"email": "ada@engines.test", "password": PASSWORD}).result
        assert signed_in["user"]["roles"] == ["admin", "user"]

    def test_makes_more_than_one(self, runner: FlaskCliRunner) -> None:
        runner.invoke(args=["create-admin", *NAMES, "--password", PASSWORD])

        result = runner.invoke(
            args=["create-admin", "--username", "bob", "--email", "bob@b.test", "--password", PASSWORD]
        )

        assert result.exit_code == 0
        assert users_named("ada", "bob") == 2

    def test_makes_up_a_password_where_nobody_can_be_asked(self, runner: FlaskCliRunner) -> None:
        result = runner.invoke(args=["create-admin", *NAMES])

        password = result.output.strip().rpartition("Password: ")[2]
        assert len(password) >= 20
        assert can_sign_in(runner.app, password)

    def test_reads_the_password_from_standard_input(self, runner: FlaskCliRunner) -> None:
        result = runner.invoke(args=["create-admin", *NAMES, "--password-stdin"], input=f"{PASSWORD}\r\n")

        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert can_sign_in(runner.app, PASSWORD)

    def test_asks_for_names_that_are_not_given(self, runner: FlaskCliRunner) -> None:
        result = runner.invoke(args=["create-admin", "--password", PASSWORD], input="ada\nada@engines.test\n")

        assert result.exit_code == 0
        assert users_named("ada") == 1

    def test_asks_twice_for_the_password_and_does_not_show_it(
        self, runner: FlaskCliRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True)

        result = runner.invoke(args=["create-admin", *NAMES], input=f"{PASSWORD}\n{PASSWORD}\n")

        assert result.exit_code == 0
        assert "Repeat" in result.output
        assert PASSWORD not in result.output
        assert can_sign_in(runner.app, PASSWORD)

    @pytest.mark.parametrize(
        ("names", "password", "complaint"),
        [
            (NAMES, "weak", "password: Use at least 8 characters."),
            (["--username", "ada", "--email", "nowhere"], PASSWORD, "email: "),
            (["--username", "a", "--email", "ada@engines.test"], PASSWORD, "username: "),
            (["--username", "ada", "--email", "taken@people.test"], PASSWORD, "e-mail address"),
            (["--username", "taken", "--email", "ada@engines.test"], PASSWORD, "user name"),
        ],
        ids=["weak", "no address", "no name", "address taken", "name taken"],
    )
    def test_says_what_is_wrong_and_exits_with_1(
        self, runner: FlaskCliRunner, names: list[str], password: str, complaint: str
    ) -> None:
        a_user(username="taken", email="taken@people.test")

        result = runner.invoke(args=["create-admin", *names, "--password", password])

        assert result.exit_code == 1
        assert complaint in result.output
        assert "Traceback" not in result.output
        assert password not in result.output
        assert users_named("ada", "a") == 0

    def test_refuses_an_empty_line_for_a_password(self, runner: FlaskCliRunner) -> None:
        result = runner.invoke(args=["create-admin", *NAMES, "--password-stdin"], input="\n")

        assert result.exit_code == 1
        assert users_named("ada") == 0

    def test_is_audited_as_done_by_the_operator(self, runner: FlaskCliRunner) -> None:
        runner.invoke(args=["create-admin", *NAMES, "--password", PASSWORD])

        made, given = audited("user_created")[0], audited("authz_change")[0]
        assert made.actor is not None
        assert made.actor.type == "operator"
        assert given.detail == {"old": [], "new": ["admin", "user"]}


class TestKeysRotate:
    def test_says_which_key_signs_now(self, runner: FlaskCliRunner) -> None:
        coming = signing_keys("next")[0].kid

        result = runner.invoke(args=["keys", "rotate"])

        assert (result.exit_code, result.output) == (0, f"Signing with {coming}.\n")
        assert our_key().kid == coming

    def test_leaves_those_who_are_signed_in_alone(self, runner: FlaskCliRunner, api: Api) -> None:
        hers = api.as_(a_user())

        runner.invoke(args=["keys", "rotate"])

        assert hers.get("/auth/me").status_code == 200


class TestHelp:
    @pytest.mark.parametrize(
        ("command", "says"),
        [
            (["create-admin", "--help"], "Create an administrator."),
            (["keys", "--help"], "rotate"),
            (["keys", "rotate", "--help"], "Sign with the next key"),
        ],
        ids=lambda part: "-".join(part[:-1]) if isinstance(part, list) else "",
    )
    def test_tells_what_a_command_does(self, runner: FlaskCliRunner, command: list[str], says: str) -> None:
        result = runner.invoke(args=command)

        assert result.exit_code == 0
        assert says in result.output
